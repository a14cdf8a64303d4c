//go:build unix

package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// inherit gives a new file that root has made in another user's folder to that
// user: a service must be able to read the key that root made for it.
func inherit(f *os.File, dir string) {
	if uid, gid, ok := heir(dir); ok {
		_ = f.Chown(uid, gid)
	}
}

// MkdirAll makes a folder and those above it as os.MkdirAll does, and gives those
// that root has made below another user's folder to that user. There no symbolic
// link is followed: the user must not choose where root writes.
func MkdirAll(dir string, perm fs.FileMode) error {
	if st, err := os.Lstat(dir); err == nil && st.IsDir() {
		return nil
	}
	up := filepath.Dir(dir)
	if up == dir {
		return os.MkdirAll(dir, perm)
	}
	if err := MkdirAll(up, perm); err != nil {
		return err
	}
	uid, gid, foreign := heir(up)
	if !foreign {
		return os.MkdirAll(dir, perm)
	}
	if err := os.Mkdir(dir, perm); err != nil {
		return err
	}
	return os.Lchown(dir, uid, gid)
}

// createTemp makes a new file that is the owner's alone for now.
func createTemp(dir, pattern string, _ fs.FileMode) (*os.File, error) {
	return os.CreateTemp(dir, pattern+"*"+tempSuffix)
}

// heir returns whose a folder is, if this is root and it is another user's.
func heir(dir string) (uid, gid int, ok bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return 0, 0, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}
