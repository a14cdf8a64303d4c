package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"openped/test/lab"
)

// F-20, the other half: a log on a disk that is full is a warning, not a reason
// not to serve; when there is room again the log goes on.
//
// Without the remedy (internal/logs falls back, and looks for its file again) the
// start fails, or the log stays silent.
func TestF20_LogOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := lab.NewDisk(t, dir, "256k")
	d.Fill(0)
	log := dir + "/pedserver.log"
	l := lab.New(t, lab.Options{From: prepared(t)})
	l.StartPED()
	stdout, stderr, code := program(l, nil, nil, l.Dir, "pedserver", "-mode", "start", "-ip", "127.0.0.1", "-port", fmt.Sprint(l.Port),
		"-peddevice", "unix:"+l.Path("ped.sock"), "-logfile", log)
	if code != 0 || !strings.Contains(stdout, "Background process started") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	t.Cleanup(func() { _, _ = l.Run("pedserver", "-mode", "stop", "-force") })
	says(t, stderr, log, "no space left on device")
	l.StartClient()
	l.Must(l.Connect(), lab.People{})
	l.Must(login, lab.Everybody())
	show, err := l.Run("pedserver", "-mode", "show")
	if err != nil {
		t.Fatal(err)
	}
	says(t, show, "Show command passed.")
	d.Free()
	l.Poll(0, "the log going on", func() error {
		l.Must("ped disconnect", lab.People{}) // something to write
		l.Must(l.Connect(), lab.People{})
		if fi, err := os.Stat(log); err != nil || fi.Size() == 0 {
			return fmt.Errorf("nothing is written to %s: %v", log, err)
		}
		return nil
	})
}
