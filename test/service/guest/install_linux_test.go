package guest

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemons are the programs that are services, and their units.
var daemons = []string{"pedserver", "pedclient", "softped"}

// debs are the packages of a version, old or new.
func debs(t testing.TB, version string) []string {
	t.Helper()
	found, err := filepath.Glob("/mnt/packages/" + version + "/*.deb")
	if err != nil || len(found) != len(daemons) {
		t.Fatalf("packages: %v %v", found, err)
	}
	return found
}

// dpkg runs dpkg as nobody is there to answer, and returns what it said.
func dpkg(t testing.TB, args ...string) string {
	t.Helper()
	return must(t, "env", append([]string{"DEBIAN_FRONTEND=noninteractive", "dpkg"}, args...)...)
}

// theInstallation needs no answers, and says what is left to do.
func theInstallation(t *testing.T) {
	remember(t)
	begun := time.Now()
	said := dpkg(t, append([]string{"-i"}, debs(t, "old")...)...)
	t.Logf("dpkg -i took %.1f s and said:\n%s", time.Since(begun).Seconds(), said)
	says(t, said, "pedclient -mode createhsm -hsm /var/lib/openped/pedclient/", "systemctl enable --now softped")
	if strings.Contains(said, "warning") || strings.Contains(said, "error") {
		t.Error("dpkg is not content")
	}
}

// theInstalled: users, files, and services that run as far as they can.
func theInstalled(t *testing.T) {
	for _, d := range daemons {
		checkUser(t, d)
	}
	if _, err := user.LookupGroup("openped"); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{
		"/usr/bin/pedserver":                               "0755 root root",
		"/usr/bin/pedclient":                               "0755 root root",
		"/usr/bin/hsmcm":                                   "0755 root root",
		"/usr/bin/softped":                                 "0755 root root",
		"/usr/lib/systemd/system/pedserver.service":        "0644 root root",
		"/usr/lib/systemd/system/pedclient.service":        "0644 root root",
		"/usr/lib/systemd/system/softped.service":          "0644 root root",
		"/etc/pedServer.conf":                              "0644 root root",
		"/etc/pedClient.conf":                              "0644 root root",
		"/run/openped/pedserver":                           "0750 pedserver pedserver",
		"/var/lib/openped/pedserver":                       "0700 pedserver pedserver",
		"/var/log/openped/pedserver":                       "0750 pedserver pedserver",
		"/usr/share/bash-completion/completions/pedserver": "0644 root root",
	} {
		if is := modeOf(path); is != want {
			t.Errorf("%s is %s, not %s", path, is, want)
		}
	}
	for unit, want := range map[string]string{"pedserver": "enabled active", "pedclient": "disabled inactive", "softped": "disabled inactive"} {
		if is := property(t, unit, "UnitFileState") + " " + property(t, unit, "ActiveState"); is != want {
			t.Errorf("%s is %s, not %s", unit, is, want)
		}
	}
	noneFailed(t)
	if out := must(t, "pedserver", "-mode", "show"); !strings.Contains(out, "Ped") {
		t.Errorf("show says:\n%s", out)
	}
	for _, m := range []string{"pedserver", "pedclient", "softped", "hsmcm"} {
		if found, _ := filepath.Glob("/usr/share/man/man[18]/" + m + ".[18].gz"); len(found) != 1 {
			t.Errorf("no manual of %s", m)
		}
	}
}

// checkUser: a user of the system, who has no shell and no password, and a group of
// that name.
func checkUser(t *testing.T, name string) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Error(err)
		return
	}
	if n, _ := strconv.Atoi(u.Uid); n == 0 || n >= 1000 {
		t.Errorf("%s has the number %s", name, u.Uid)
	}
	if g, err := user.LookupGroup(name); err != nil || g.Gid != u.Gid {
		t.Errorf("%s: group %v %v", name, g, err)
	}
	entry := strings.TrimSpace(must(t, "getent", "passwd", name))
	if !strings.HasSuffix(entry, "/nologin") {
		t.Errorf("%s may log in: %s", name, entry)
	}
	if shadow := must(t, "getent", "shadow", name); !strings.HasPrefix(shadow, name+":!") {
		t.Errorf("%s has a password", name)
	}
}

// modeOf is the mode and owner of a file.
func modeOf(path string) string {
	fi, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	st := fi.Sys().(*syscall.Stat_t)
	owner, group := fmt.Sprint(st.Uid), fmt.Sprint(st.Gid)
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return fmt.Sprintf("%04o %s %s", fi.Mode().Perm(), owner, group)
}

// noneFailed: no unit has.
func noneFailed(t testing.TB) {
	t.Helper()
	if out := strings.TrimSpace(must(t, "systemctl", "--failed", "--no-legend", "--plain")); out != "" {
		t.Errorf("units have failed:\n%s", out)
	}
}
