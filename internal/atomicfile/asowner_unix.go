//go:build unix

package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// maxLinks is how many links of root's a path may have.
const maxLinks = 40

func asOwner(dir string, f func() error) error {
	if os.Geteuid() != 0 {
		return f()
	}
	where, who, err := stranger(dir)
	if err != nil {
		return err
	}
	if who == nil || limited() {
		return f()
	}
	name, gid := account(who)
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread must not serve others
		err := errors.New("it was given up")
		defer func() { done <- err }()
		if err = become(int(who.Uid), gid); err != nil {
			err = fmt.Errorf("act as user %s, who owns %s: %w", name, where, err)
			return
		}
		err = f()
	}()
	if err = <-done; errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("as user %s, who owns %s: %w", name, where, err)
	}
	return err
}

// stranger returns the first on the way from the root to dir that is not root's; nil
// if all that is there is.
func stranger(dir string) (where string, who *syscall.Stat_t, err error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	at, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		if next == at {
			continue
		}
		fi, err := os.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrPermission):
			return "", nil, nil // f gets no farther either
		case err != nil:
			return "", nil, err
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 {
			return next, st, nil
		}
		if fi.Mode().Type() != fs.ModeSymlink {
			at = next
			continue
		}
		to, err := os.Readlink(next)
		if links++; err == nil && links > maxLinks {
			err = &fs.PathError{Op: "open", Path: dir, Err: syscall.ELOOP}
		}
		if err != nil {
			return "", nil, err
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return "", nil, nil
}

// nobody is the group of who has none: root's must not be lent.
const nobody = 65534

// account returns the name and the group of who owns something.
func account(who *syscall.Stat_t) (name string, gid int) {
	name = strconv.FormatUint(uint64(who.Uid), 10)
	if u, err := user.LookupId(name); err == nil {
		if gid, err := strconv.Atoi(u.Gid); err == nil {
			return u.Username, gid
		}
	}
	if who.Gid != 0 {
		return name, int(who.Gid)
	}
	return name, nobody
}
