package guest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// snapshot is what the machine has other than the one that it was made of: files by
// path, with kind, mode, owner and contents; and of units, processes and cgroups
// those of this project.
type snapshot map[string]string

// The layer that the machine writes to, and what is beneath it.
const (
	above = "/mnt/above"
	below = "/mnt/below"
)

// Whose contents change with every installation of whatever: what dpkg, systemd
// and others note about it, logs, and caches.
var notes = []string{
	"/var/lib/dpkg", "/var/log", "/var/cache", "/var/lib/systemd/random-seed", "/var/lib/systemd/timers", "/var/lib/systemd/catalog",
	"/var/lib/apt", "/var/tmp", "/var/lib/private", "/var/lib/witness", "/var/lib/misc",
	"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-",
	"/etc/.pwd.lock", "/etc/ld.so.cache", "/etc/systemd/system/witness.service", "/etc/systemd/system/multi-user.target.wants",
}

// ours are parts of names that are this project's, wherever they are.
var ours = []string{"openped", "pedserver", "pedclient", "softped", "hsmcm", "chrystoki"}

func noted(path string) bool {
	for _, n := range notes {
		if path == n || strings.HasPrefix(path, n+"/") {
			return true
		}
	}
	return false
}

func isOurs(path string) bool {
	return slices.ContainsFunc(ours, func(s string) bool { return strings.Contains(strings.ToLower(path), s) })
}

// take makes a snapshot.
func take(t testing.TB) snapshot {
	t.Helper()
	s := snapshot{}
	err := filepath.WalkDir(above, func(at string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := strings.TrimPrefix(at, above)
		if noted(path) && !isOurs(path) {
			return nil
		}
		is, err := describe(at)
		if err != nil {
			return err
		}
		// What was only touched has not changed.
		if was, err := describe(below + path); err != nil || was != is {
			s[path] = is
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(must(t, "systemctl", "list-unit-files", "--no-legend", "--plain")) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "witness.service" {
			s["unit "+f[0]] = ""
		}
	}
	for _, u := range oursOf(must(t, "systemctl", "list-units", "--all", "--no-legend", "--plain")) {
		s["loaded "+u] = ""
	}
	for _, p := range processes(t) {
		s["process "+p] = ""
	}
	for dir := range cgroups(t) {
		s["cgroup "+dir] = ""
	}
	return s
}

// describe tells all of a file but its times.
func describe(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", err
	}
	is := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		if st.Rdev == 0 {
			return "removed", nil
		}
		is += fmt.Sprintf(" device %x", st.Rdev)
	case unix.S_IFLNK:
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		is += " -> " + to
	case unix.S_IFREG:
		b, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		is += fmt.Sprintf(" %x", sha256.Sum256(b))
	}
	return is, nil
}

// oursOf are the first words of lines that are about this project.
func oursOf(list string) (found []string) {
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) > 0 && isOurs(f[0]) {
			found = append(found, f[0])
		}
	}
	return found
}

// processes are the programs of ours that run.
func processes(t testing.TB) (found []string) {
	t.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range all {
		if path, err := os.Readlink(exe); err == nil && isOurs(filepath.Base(path)) {
			found = append(found, path)
		}
	}
	return found
}

// cgroups are those of services of ours.
func cgroups(t testing.TB) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && isOurs(path) {
			found[path] = true
		}
		return nil
	})
	return found
}

// differences are what b has more, less and other than a.
func differences(a, b snapshot) (lines []string) {
	for _, k := range slices.Sorted(maps.Keys(b)) {
		was, there := a[k]
		switch {
		case !there:
			lines = append(lines, "left: "+k+" "+b[k])
		case was != b[k]:
			lines = append(lines, "changed: "+k+" from "+was+" to "+b[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(a)) {
		if _, there := b[k]; !there {
			lines = append(lines, "gone: "+k)
		}
	}
	return lines
}

const beforeFile = "/var/tmp/before.json"

// remember keeps the snapshot of before the installation over a reboot.
func remember(t *testing.T) {
	b, err := json.Marshal(take(t))
	if err == nil {
		err = os.WriteFile(beforeFile, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func before(t testing.TB) (s snapshot) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, beforeFile)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}
