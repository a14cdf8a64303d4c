//go:build unix

package daemon_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"openped/internal/daemon"
	"openped/internal/rundir"
)

// TestForeignDaemon: the daemon of another user does not choose which file root
// writes.
func TestForeignDaemon(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("nobody but root calls the daemons of others")
	}
	dir, err := os.MkdirTemp("", "foreign") // a short name, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv(rundir.Env, dir)
	victim := filepath.Join(t.TempDir(), "precious.conf")
	l, err := net.Listen("unix", filepath.Join(dir, "fake.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(daemon.Running{File: victim})
		}))
	}()
	for _, owner := range []int{4711, 0} { // his, and root's own
		if err := os.Chown(dir, owner, 0); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		code := fake.Main([]string{"-mode", "config", "-set", "Port", "1600"}, &out, &errs)
		_, err := os.Stat(victim)
		switch {
		case owner == 0 && (code != 0 || err != nil):
			t.Errorf("root's own: %d %v %s", code, err, errs.String())
		case owner != 0 && (code != 2 || err == nil || !strings.Contains(errs.String(), "name it with -configfile")):
			t.Errorf("%d %v %s", code, err, errs.String())
		}
	}
}
