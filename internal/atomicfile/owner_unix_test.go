//go:build unix

package atomicfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestInherit: what root makes in the folder of a service's user is that user's.
func TestInherit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files for others")
	}
	const service = 12345
	home := t.TempDir()
	if err := os.Chown(home, service, service); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, "a", "b")
	if err := MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key")
	if err := WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	unlock, err := Lock(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for _, p := range []string{filepath.Join(home, "a"), dir, path, path + ".lock"} {
		fi, err := os.Lstat(p)
		if err != nil {
			t.Fatal(err)
		}
		if st := fi.Sys().(*syscall.Stat_t); st.Uid != service || st.Gid != service {
			t.Errorf("%s belongs to %d:%d", p, st.Uid, st.Gid)
		}
	}
	own := filepath.Join(t.TempDir(), "own")
	if err := MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(own); err != nil || fi.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("root's own folder: %v %v", fi, err)
	}
}

// TestMkdirAllFollowsNoForeignLink: the user of a service does not choose where
// root writes.
func TestMkdirAllFollowsNoForeignLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes folders for others")
	}
	home, elsewhere := t.TempDir(), t.TempDir()
	if err := os.Chown(home, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(home, "cert")); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(filepath.Join(home, "cert", "client"), 0o700); err == nil {
		t.Error("a link of the service's user was followed")
	}
	if names, _ := os.ReadDir(elsewhere); len(names) != 0 {
		t.Errorf("made behind it: %v", names)
	}
}
