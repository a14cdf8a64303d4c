//go:build !windows

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFile opens a file that others may rename and remove meanwhile, under its own
// name only. It does not wait for the other end of what is a pipe.
func openFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, perm)
}

// MkdirAll makes a folder and those above it as os.MkdirAll does, below another
// user's folder as that user (AsOwner).
func MkdirAll(dir string, perm fs.FileMode) error {
	return AsOwner(dir, func() error { return os.MkdirAll(dir, perm) })
}

// createTemp makes a new file that is the owner's alone for now.
func createTemp(dir, pattern string, _ fs.FileMode) (*os.File, error) {
	return os.CreateTemp(dir, pattern+"*"+tempSuffix)
}

// busy reports an error that passes by itself: there is none here.
func busy(error) bool { return false }

// tryLock locks f for its open file description, without waiting.
func tryLock(f *os.File) error { return flock(f, unix.LOCK_EX) }

// tryShared looks for a holder, whom it keeps out until f is closed: ErrLocked
// if there is one.
func tryShared(f *os.File) error { return flock(f, unix.LOCK_SH) }

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrLocked
		}
		return err
	}
}

// removeAndClose removes first: whoever waits for the lock must not get it on
// a file that is about to go.
func removeAndClose(f *os.File) {
	os.Remove(f.Name())
	f.Close()
}

// replace renames first and closes then, so that f is locked as long as it has
// its temporary name. Its content is on disk already.
func replace(f *os.File, path string) error {
	defer f.Close()
	return os.Rename(f.Name(), path)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems cannot sync a folder and say EINVAL: their rename is as
	// durable as they make it.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// ownerOf returns whose a file is, or -1.
func ownerOf(f *os.File) int {
	fi, err := f.Stat()
	if err != nil {
		return -1
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return -1
	}
	return int(st.Uid)
}

// links returns how many names a file has.
func links(_ string, st fs.FileInfo) int { return linksOf(nil, st) }

// linksOf is links for an open file.
func linksOf(_ *os.File, st fs.FileInfo) int {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(s.Nlink)
	}
	return 1
}
