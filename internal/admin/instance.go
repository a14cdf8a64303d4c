package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"openped/internal/atomicfile"
	"openped/internal/rundir"
)

// ErrRunning is what every RunningError is.
var ErrRunning = errors.New("already running")

// RunningError says which process is the daemon already. PID is 0 if the lock
// does not tell.
type RunningError struct {
	Name string
	PID  int
}

func (e *RunningError) Error() string {
	if e.PID == 0 {
		return e.Name + " is already running"
	}
	return fmt.Sprintf("%s is already running as process %d", e.Name, e.PID)
}

// Is makes errors.Is(err, ErrRunning) true.
func (e *RunningError) Is(target error) bool { return target == ErrRunning }

// Hint returns the remedy.
func (e *RunningError) Hint() string { return "end it first with " + e.Name + " -mode stop" }

// Instance is the claim of this process to be the daemon called name.
type Instance struct {
	Stale  bool // a crash had left something, which was cleared
	dirs   rundir.Dirs
	unlock func()
	open   []*net.UnixListener
}

// Claim makes the run folder and takes the lock NAME.lock in it. It fails with
// ErrRunning if another process lives that has it.
func Claim(dirs rundir.Dirs, name string) (*Instance, error) {
	if err := dirs.Make(); err != nil {
		return nil, err
	}
	path, err := dirs.Socket(name + ".lock")
	if err != nil {
		return nil, err
	}
	_, statErr := os.Stat(path)
	unlock, err := atomicfile.Lock(path)
	var held *atomicfile.LockedError
	if errors.As(err, &held) {
		return nil, &RunningError{Name: name, PID: held.PID}
	}
	if err != nil {
		return nil, err
	}
	return &Instance{Stale: statErr == nil, dirs: dirs, unlock: unlock}, nil
}

// Listen binds the unix socket called name in the run folder with mode perm.
// A socket of that name is a crash's: its living owner would hold the lock.
func (i *Instance) Listen(name string, perm fs.FileMode) (*net.UnixListener, error) {
	path, err := i.dirs.Socket(name)
	if err != nil {
		return nil, err
	}
	if fi, err := os.Lstat(path); err == nil {
		if fi.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s is in the way and is not a socket; remove it", path)
		}
		i.Stale = true
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the socket that a crash left: %w", err)
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("local socket: %w", err)
	}
	if err := os.Chmod(path, perm); err != nil {
		l.Close()
		return nil, fmt.Errorf("local socket: %w", err)
	}
	i.open = append(i.open, l)
	return l, nil
}

// Close closes the sockets, gives the claim back and removes the lock file, in
// this order: what the next instance makes is not ours to remove.
func (i *Instance) Close() {
	for _, l := range i.open {
		_ = l.Close()
	}
	i.unlock()
}

// Sweep removes what a daemon called name left that was killed: its lock, its
// socket, and the other sockets named. It does nothing while one lives.
func Sweep(dirs rundir.Dirs, name string, sockets ...string) {
	lock, err := dirs.Socket(name + ".lock")
	if err != nil {
		return
	}
	if _, err := os.Stat(dirs.Run); err != nil {
		return
	}
	unlock, err := atomicfile.Lock(lock)
	if err != nil {
		return
	}
	defer unlock()
	for _, s := range append(sockets, name+".sock") {
		path := filepath.Join(dirs.Run, s)
		if fi, err := os.Lstat(path); err == nil && fi.Mode().Type() == fs.ModeSocket {
			_ = os.Remove(path)
		}
	}
}

// WaitGone waits until no process claims name any more. The error of a process
// that stays is ctx's.
func WaitGone(ctx context.Context, dirs rundir.Dirs, name string) error {
	path, err := dirs.Socket(name + ".lock")
	if err != nil {
		return err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		// A process that was killed leaves its file.
		if _, held, err := atomicfile.Holder(path); err != nil || !held {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
