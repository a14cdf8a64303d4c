//go:build unix

package localsock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const pipes = false

// Example is how a socket is named here.
const Example = "unix:PATH"

func (l *Listener) listen() error {
	var err error
	if l.Stale, err = remove(l.Path); err != nil {
		return err
	}
	perm := fs.FileMode(0o600)
	if l.Access.Group != "" {
		perm = 0o660
	}
	// The socket has its mode from its first moment. To chmod it afterwards would
	// follow what somebody puts in its place.
	old := unix.Umask(int(0o777 &^ perm))
	l.Listener, err = net.Listen("unix", l.Path)
	unix.Umask(old)
	if errors.Is(err, unix.EADDRINUSE) {
		return ErrInUse
	}
	if err != nil {
		return err
	}
	if l.Access.Group != "" {
		gid, err := strconv.Atoi(l.Access.Group)
		if err == nil {
			err = give(l.Path, gid)
		}
		if err != nil {
			_ = l.Close()
			return fmt.Errorf("give the socket to group %s: %w", l.Access.Group, err)
		}
	}
	return nil
}

// remove removes a socket that nobody listens on, and tells whether there was one.
func remove(path string) (bool, error) {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return false, fmt.Errorf("%s is in the way and is not a socket; remove it", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
	}
	if err == nil || errors.Is(err, unix.EAGAIN) { // too many wait for it to accept
		return false, ErrInUse
	}
	if err := os.Remove(path); err != nil {
		return false, fmt.Errorf("remove the socket that a crash left: %w", err)
	}
	return true, nil
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	if IsPipe(path) {
		return nil, errors.New("named pipes are for Windows")
	}
	return new(net.Dialer).DialContext(ctx, "unix", path)
}

// owner reports whether a user is root or this process's.
func owner(uid int) bool { return uid == 0 || uid == os.Geteuid() }

// texts writes numbers as package os/user has them.
func texts[N int | uint32](numbers []N) []string {
	all := make([]string, len(numbers))
	for i, n := range numbers {
		all[i] = strconv.FormatInt(int64(n), 10)
	}
	return all
}
