package guest

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// stays checks for longer than a restart takes that a unit is in a state.
func stays(t testing.TB, unit, state string) {
	t.Helper()
	for range 7 {
		if err := is(state, unit); err != nil {
			t.Error(err)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// theStops: whoever stops a service goes through systemd, and it stays stopped.
func theStops(t *testing.T) {
	for _, d := range []string{"pedserver", "pedclient"} {
		e := run(t, d, "-mode", "start")
		if e.code != 2 {
			t.Errorf("no exit code 2: %s", e)
		}
		says(t, e.err, "RC_ALREADY_RUNNING", "service "+d)
		must(t, d, "-mode", "stop")
		stays(t, d, "inactive")
		if e := run(t, d, "-mode", "show"); e.code != 3 {
			t.Errorf("no exit code 3: %s", e)
		}
		if e := run(t, d, "-service", "status"); e.code != 3 {
			t.Errorf("no exit code 3: %s", e)
		}
		must(t, d, "-service", "start")
		if err := is("active", d); err != nil {
			t.Error(err)
		}
		says(t, must(t, d, "-service", "status"), "running")
		must(t, d, "-service", "stop")
		stays(t, d, "inactive")
		must(t, d, "-service", "restart")
		if err := is("active", d); err != nil {
			t.Error(err)
		}
	}
	must(t, "softped", "-service", "stop")
	stays(t, "softped", "inactive")
	must(t, "softped", "-service", "start")
	noneFailed(t)
	loggedIn(t, 2*usable)
}

// trouble keeps a service from starting, until it is mended.
type trouble struct {
	name, unit string
	make       func(*testing.T) (mend func())
	says       []string
}

// rewrite is a trouble of a configuration file's.
func rewrite(path string, change func(string) string) func(*testing.T) func() {
	return func(t *testing.T) func() {
		text := read(t, path)
		write(t, path, change(text))
		return func() { write(t, path, text) }
	}
}

var troubles = []trouble{
	{"port in use", "pedserver", func(t *testing.T) func() {
		l, err := net.Listen("tcp", "127.0.0.1:"+pedPort)
		if err != nil {
			t.Fatal(err)
		}
		return func() { l.Close() }
	}, []string{"RC_PORT_IN_USE", pedPort}},
	{"mistake in the configuration", "pedserver", rewrite(serverConf, func(s string) string {
		return s + "\n[PedServer]\nPort = none\n"
	}), []string{"RC_BAD_CONFIG", serverConf}},
	{"configuration of root's alone", "pedserver", func(t *testing.T) func() {
		if err := os.Chmod(serverConf, 0o600); err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.Chmod(serverConf, 0o644) }
	}, []string{serverConf, "permission denied"}},
	{"no configuration", "pedclient", func(t *testing.T) func() {
		if err := os.Rename(clientConf, clientConf+".away"); err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.Rename(clientConf+".away", clientConf) }
	}, []string{"no HSM named"}},
	{"no such HSM", "pedclient", rewrite(clientConf, func(s string) string {
		return strings.ReplaceAll(s, hsmFile, hsmFile+"000")
	}), []string{"slot 1", hsmFile + "000"}},
	{"an HSM of root's", "pedclient", func(t *testing.T) func() {
		must(t, "chown", "root:root", hsmFile)
		return func() { must(t, "chown", "pedclient:pedclient", hsmFile) }
	}, []string{"slot 1", hsmFile, "permission denied"}},
}

// theCauses: a service that cannot start says why, whoever starts it.
func theCauses(t *testing.T) {
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			must(t, "systemctl", "stop", c.unit)
			mend := c.make(t)
			for _, words := range [][]string{{c.unit, "-service", "start"}, {"systemctl", "start", c.unit}} {
				e := run(t, words[0], words[1:]...)
				if e.code == 0 {
					t.Errorf("well: %s", e)
				}
				told := e.both()
				if words[0] == "systemctl" {
					told = run(t, "systemctl", "status", "--no-pager", "-l", c.unit).both()
				}
				says(t, told, c.says...)
				run(t, "systemctl", "stop", c.unit)
				must(t, "systemctl", "reset-failed", c.unit)
			}
			mend()
			must(t, "systemctl", "start", c.unit)
			shows(t, c.unit, usable)
		})
	}
	noneFailed(t)
}

// theTwins: two services of one program, each with its own.
func theTwins(t *testing.T) {
	const conf = "/etc/openped-desk2.conf"
	must(t, "pedserver", "-mode", "config", "-instance", "desk2", "-set", "-admin", "1602", "-peddevice", deviceLabel)
	if e := run(t, "pedserver", "-service", "install", "-name", "desk2"); e.code != 2 {
		t.Errorf("both on one port: %s", e)
	} else {
		says(t, e.both(), "RC_PORT_IN_USE", pedPort)
	}
	must(t, "pedserver", "-mode", "config", "-instance", "desk2", "-set", "-port", "1603")
	if text := read(t, conf); !strings.Contains(text, "1603") {
		t.Errorf("%s is\n%s", conf, text)
	}
	if e := run(t, "pedserver", "-service", "install", "-name", "desk2"); e.code != 2 {
		t.Errorf("installed twice: %s", e)
	}
	must(t, "pedserver", "-service", "restart", "-name", "desk2")
	for _, dir := range []string{"/run/openped/desk2", "/var/lib/openped/desk2", "/var/log/openped/desk2"} {
		if is := modeOf(dir); !strings.HasSuffix(is, " pedserver pedserver") {
			t.Errorf("%s is %s", dir, is)
		}
	}
	if a, b := pid(t, "pedserver"), pid(t, "desk2"); a == b {
		t.Error("two services are one process")
	}
	out := must(t, "pedserver", "-mode", "show", "-instance", "desk2")
	says(t, out, "1603")
	if strings.Contains(must(t, "pedserver", "-mode", "show"), "1603") {
		t.Error("without -instance the other service answers")
	}
	// There is one PED; whoever comes second is told who has it.
	poll(t, "the fight over the PED", 2*usable, func() error {
		if out := must(t, "pedserver", "-mode", "show", "-instance", "desk2"); !strings.Contains(out, "pedserver") || !strings.Contains(out, "process "+pid(t, "pedserver")) {
			return errors.New(out)
		}
		return nil
	})
	must(t, "systemctl", "restart", "pedserver")
	must(t, "pedserver", "-mode", "stop", "-instance", "desk2")
	stays(t, "desk2", "inactive")
	if err := is("active", "pedserver"); err != nil {
		t.Error(err)
	}
	must(t, "pedserver", "-service", "uninstall", "-name", "desk2")
	if out := run(t, "systemctl", "cat", "desk2"); out.code == 0 {
		t.Errorf("its unit is still there: %s", out)
	}
	for _, path := range []string{"/var/lib/openped/desk2", conf} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("state and configuration are to stay: %v", err)
		}
		_ = os.RemoveAll(path)
	}
	_ = os.RemoveAll("/var/log/openped/desk2")
	if e := run(t, "pedserver", "-service", "uninstall"); e.code != 2 {
		t.Errorf("the package's service is to stay: %s", e)
	} else {
		says(t, e.err, "package")
	}
	loggedIn(t, 3*usable)
}
