//go:build linux || darwin

package conffile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestEditForAnotherUser: a file that root makes or changes in another user's folder is
// that user's, and a link there does not have root change a file of its own.
//
// Without atomicfile.AsOwner around Resolve's answer the link is followed.
func TestEditForAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root works in the folders of others")
	}
	const other = 12345
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	err := errors.Join(os.Chmod(filepath.Dir(top), 0o755), os.Mkdir(at("home"), 0o700), os.Chown(at("home"), other, other),
		os.WriteFile(at("root.conf"), nil, 0o644), os.Symlink(at("root.conf"), at("home/link.conf")), os.Symlink("home/new.conf", at("to.conf")))
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string) error {
		return Edit(at(name), func(f *File) error {
			if os.WriteFile(at("as-root"), nil, 0o600) != nil {
				t.Error("what is the caller's is not done as root")
			}
			return f.Set("S", "Key", name)
		})
	}
	for _, name := range []string{"home/new.conf", "home/new.conf", "to.conf"} {
		if err := set(name); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Lstat(at("home/new.conf")); err != nil || fi.Sys().(*syscall.Stat_t).Uid != other {
			t.Errorf("%s is not the user's (%v)", name, err)
		}
	}
	if err := set("home/link.conf"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(at("root.conf")); err != nil || len(b) > 0 {
		t.Errorf("%q %v", b, err)
	}
}
