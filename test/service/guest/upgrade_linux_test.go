package guest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// further is a second service of pedserver's that lives as long as the packages.
const (
	further     = "desk3"
	furtherConf = "/etc/openped-desk3.conf"
)

// theFurther is one that the administrator has made.
func theFurther(t *testing.T) {
	must(t, "pedserver", "-mode", "config", "-instance", further, "-set", "-port", "1703", "-admin", "1702", "-peddevice", "unix:/run/openped/none.sock")
	must(t, "pedserver", "-service", "install", "-name", further)
	shows(t, "pedserver", usable)
}

// theUpgrade: what runs is the new version, with what the administrator has set and
// the state as it was.
func theUpgrade(t *testing.T) {
	for _, d := range daemons {
		if !strings.Contains(must(t, "systemctl", "show", "-p", "Environment", d), "OPENPED_OLD") {
			t.Errorf("%s is not of the old version", d)
		}
	}
	files := map[string]string{}
	for _, f := range []string{serverConf, clientConf, furtherConf, "/var/lib/openped/softped/pedkeys/blue1.pedkey"} {
		files[f] = read(t, f)
	}
	olds := pids(t, append([]string{further}, daemons...)...)
	begun := time.Now()
	said := dpkg(t, append([]string{"-i"}, debs(t, "new")...)...)
	t.Logf("dpkg -i took %.1f s and said:\n%s", time.Since(begun).Seconds(), said)
	for unit, old := range olds {
		poll(t, "the new "+unit, usable, func() error { return another(t, unit, old) })
		if strings.Contains(must(t, "systemctl", "show", "-p", "Environment", unit), "OPENPED_OLD") {
			t.Errorf("systemd has the old unit of %s", unit)
		}
		if property(t, unit, "NeedDaemonReload") != "no" {
			t.Errorf("systemd was not told of the new unit of %s", unit)
		}
	}
	for f, was := range files {
		if now := read(t, f); now != was {
			t.Errorf("%s has changed", f)
		}
		if left, _ := filepath.Glob(f + ".dpkg-*"); left != nil {
			t.Errorf("left: %v", left)
		}
	}
	noneFailed(t)
	loggedIn(t, 2*usable)
}

// theChoices: what the administrator has stopped, or does not want to start with the
// machine, stays so over an upgrade.
func theChoices(t *testing.T) {
	must(t, "systemctl", "stop", "softped", further)
	must(t, "systemctl", "disable", "pedserver")
	dpkg(t, append([]string{"-i"}, debs(t, "new")...)...)
	for _, unit := range []string{"softped", further} {
		if err := is("inactive", unit); err != nil {
			t.Error(err)
		}
	}
	if is := property(t, "pedserver", "UnitFileState"); is != "disabled" {
		t.Errorf("pedserver is %s", is)
	}
	must(t, "systemctl", "enable", "pedserver")
	must(t, "systemctl", "start", "softped", further)
	loggedIn(t, 2*usable)
}

// theRemoval: the programs go, what they have kept stays.
func theRemoval(t *testing.T) {
	dpkg(t, "-r", "openped-pedserver", "openped-pedclient", "openped-softped")
	if left := processes(t); left != nil {
		t.Errorf("still running: %v", left)
	}
	if left := cgroups(t); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
	noneFailed(t)
	for _, d := range daemons {
		if out := run(t, "systemctl", "is-enabled", d); strings.TrimSpace(out.out) == "enabled" {
			t.Errorf("%s is enabled", d)
		}
		if _, err := os.Stat("/usr/bin/" + d); err == nil {
			t.Errorf("/usr/bin/%s is still there", d)
		}
	}
	for _, path := range []string{serverConf, clientConf, furtherConf, "/etc/systemd/system/" + further + ".service", hsmFile, "/var/lib/openped/softped/pedkeys", "/var/log/openped/pedserver"} {
		if _, err := os.Stat(path); err != nil {
			t.Error("this is to stay: ", err)
		}
	}
}

// theReturn: installed again, everything is as it was.
func theReturn(t *testing.T) {
	dpkg(t, append([]string{"-i"}, debs(t, "new")...)...)
	for _, d := range []string{"pedserver", "pedclient", further} {
		if err := is("active", d); err != nil {
			t.Error(err)
		}
	}
	must(t, "systemctl", "start", "softped")
	loggedIn(t, 2*usable)
}

// thePurge: what is lost is named, and nothing is left, of the whole file system.
func thePurge(t *testing.T) {
	said := dpkg(t, "-P", "openped-pedserver", "openped-pedclient", "openped-softped")
	t.Logf("dpkg -P said:\n%s", said)
	says(t, said, hsmFile, "/var/lib/openped/softped/pedkeys", "service "+further)
	for _, made := range []string{"/etc/openped-origin.pem"} {
		_ = os.RemoveAll(made) // the administrator's, and so of this test
	}
	must(t, "systemctl", "daemon-reload")
	for _, line := range differences(before(t), take(t)) {
		t.Error(line)
	}
}
