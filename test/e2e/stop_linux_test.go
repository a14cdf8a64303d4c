package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// When stop says that the background process has stopped it is gone: nothing is
// written any more, no file is held, and no zombie is left to anybody.
func TestStopIsTheEnd(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{From: prepared(t)})
	for program, start := range map[string]string{
		"pedserver": fmt.Sprintf("-mode start -ip 127.0.0.1 -port %d -peddevice unix:%s", l.Port, l.Path("ped.sock")),
		"pedclient": "-mode start -hsm " + l.HSMFile(1),
	} {
		for range 5 {
			if out, err := l.Run(program, strings.Fields(start)...); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out, err := l.Run(program, "-mode", "show", "-format", "json")
			var st struct{ PID int }
			if err == nil {
				err = json.Unmarshal([]byte(out), &st)
			}
			if err != nil || st.PID == 0 {
				t.Fatalf("%s: %v\n%s", program, err, out)
			}
			if out, err := l.Run(program, "-mode", "stop"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			before := logSizes(t, l)
			l.Poll(time.Second, "the end of process "+fmt.Sprint(st.PID), func() error {
				if s := state(st.PID); s != "" && s != "Z" { // nobody waits for it in a test
					return fmt.Errorf("%s is in state %s", program, s)
				}
				return nil
			})
			if after := logSizes(t, l); after != before {
				t.Errorf("%s wrote after its end: %s, then %s", program, before, after)
			}
		}
	}
}

// logSizes is how much there is of the logs.
func logSizes(t *testing.T, l *lab.Lab) string {
	t.Helper()
	files, err := filepath.Glob(l.Path("*.log"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s: %d bytes, ", filepath.Base(f), fi.Size())
	}
	return all.String()
}

// state is the letter that /proc has for a process; "" when there is none.
func state(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}
