package guest

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// A daemon in the background: the command that starts it returns when it serves,
// its console may go, it is found, and it ends when asked.
func TestBackground(t *testing.T) {
	win := byHand(t)
	dir := filepath.Join(win.Dir, "run")
	must(t, os.Mkdir(dir, 0o700))
	t.Setenv("OPENPED_RUNDIR", guest(dir))
	port := freePort(t)
	begun := time.Now()
	says(t, win, 0, "Background process started", "pedserver", "-mode", "start", "-port", port, "-ip", "127.0.0.1", "-peddevice", "pipe:guest-none")
	t.Cleanup(func() { _, _ = win.Run("pedserver", "-mode", "stop", "-force") })
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the command waited for the daemon: %v", took)
	}
	says(t, win, 0, "Server Port:              "+port, "pedserver", "-mode", "show")
	says(t, win, 2, "RC_ALREADY_RUNNING", "pedserver", "-mode", "start", "-port", port)
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	must(t, err)
	must(t, c.Close())
	says(t, win, 0, "Stop command passed", "pedserver", "-mode", "stop")
	says(t, win, 3, "not running", "pedserver", "-mode", "show")
	for _, left := range []string{"pedserver.lock", "pedserver.sock"} {
		if lab.Exists(filepath.Join(dir, left)) {
			t.Errorf("left behind: %s", left)
		}
	}
	if _, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		t.Error("somebody serves still")
	}
}

// A start that fails tells the daemon's own reason, whoever starts it: a person in
// the foreground or the background, or the service manager.
func TestReasons(t *testing.T) {
	win := byHand(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, taken, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	conf := data + `\openped-broken.conf`
	write := func(text string) {
		t.Helper()
		must(t, os.MkdirAll(host(data), 0o755))
		must(t, os.WriteFile(host(conf), []byte(text), 0o644))
	}
	good := "PedServer = {\r\n IP = 127.0.0.1;\r\n Port = " + freePort(t) + ";\r\n}\r\n"
	write(good)
	says(t, win, 0, "Service broken started", "pedserver", "-service", "install", "-name", "broken", "-configfile", conf)
	t.Cleanup(func() { _, _ = win.Run("pedserver", "-service", "uninstall", "-name", "broken") })
	says(t, win, 0, "stopped", "pedserver", "-service", "stop", "-name", "broken")
	for name, c := range map[string]struct {
		spoil func()
		want  string
	}{
		"a port in use": {func() { write(strings.Replace(good, "Port = ", "Port = "+taken+"; // ", 1)) }, "RC_PORT_IN_USE: port " + taken + " of 127.0.0.1 is in use"},
		"a bad file":    {func() { write("PedServer = {\r\n Port = many;\r\n}\r\n") }, "openped-broken.conf:2: "},
		"no file":       {func() { must(t, os.Remove(host(conf))) }, "openped-broken.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			c.spoil()
			defer write(good)
			flags := []string{"-configfile", conf, "-mode", "start"}
			t.Setenv("OPENPED_RUNDIR", guest(t.TempDir()))
			for _, more := range [][]string{{"-foreground"}, nil} {
				out, err := win.Run("pedserver", append(flags, more...)...)
				if lab.ExitCode(err) == 0 || !strings.Contains(out, c.want) {
					t.Errorf("%v: %v, want %q in\n%s", more, err, c.want, out)
				}
			}
			must(t, os.Unsetenv("OPENPED_RUNDIR"))
			begun := time.Now()
			out, err := win.Run("pedserver", "-service", "start", "-name", "broken")
			if lab.ExitCode(err) != 2 || !strings.Contains(out, "service broken did not start") || !strings.Contains(out, c.want) {
				t.Errorf("service: %v, want %q in\n%s", err, c.want, out)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("that took %v", took)
			}
			says(t, win, 3, "It Says:", "pedserver", "-service", "status", "-name", "broken")
		})
	}
	says(t, win, 0, "Service broken started", "pedserver", "-service", "start", "-name", "broken")
	says(t, win, 0, "stopped and removed", "pedserver", "-service", "uninstall", "-name", "broken")
}
