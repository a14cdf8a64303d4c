package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"openped/internal/atomicfile"
	"openped/internal/cmdline"
	"openped/internal/localsock"
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
	open   []*localsock.Listener
	group  string // which may enter the run folder
}

// Claim makes the run folder and takes the lock NAME.lock in it. It fails with
// ErrRunning if another process lives that has it.
func Claim(dirs rundir.Dirs, name string) (*Instance, error) {
	if err := dirs.Make(); err != nil {
		return nil, err
	}
	if _, err := dirs.Socket(name + ".sock"); err != nil { // before anything else is opened
		return nil, err
	}
	path := dirs.Lock(name + ".lock")
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

// Listen opens the local socket called name of the run folder, and the folder to
// the group that access names.
// A socket of that name is a crash's: its living owner would hold the lock.
func (i *Instance) Listen(name string, access localsock.Access) (*localsock.Listener, error) {
	path, err := i.dirs.Socket(name)
	if err != nil {
		return nil, err
	}
	l, err := localsock.Listen(path, access)
	if err == nil && access.Group != "" {
		if err = localsock.AdmitTo(i.dirs.Run, access.Group, i.group == ""); err != nil {
			_ = l.Close()
		}
		i.group = access.Group
	}
	if err != nil {
		if access.Group != "" && errors.Is(err, fs.ErrPermission) {
			err = cmdline.Failed(err, "the run folder must be this user's, who must be in the group")
		}
		return nil, fmt.Errorf("local socket %s: %w", path, err)
	}
	i.Stale = i.Stale || l.Stale
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
	if _, err := os.Stat(dirs.Run); err != nil {
		return
	}
	// Root sweeps after the daemons of others.
	_ = atomicfile.AsOwner(dirs.Run, func() error {
		unlock, err := atomicfile.Lock(dirs.Lock(name + ".lock"))
		if err != nil {
			return err
		}
		defer unlock()
		for _, s := range append(sockets, name+".sock") {
			if path, err := dirs.Socket(s); err == nil {
				localsock.Remove(path)
			}
		}
		return nil
	})
}

// WaitGone waits until no process claims name any more. The error of a process
// that stays is ctx's.
func WaitGone(ctx context.Context, dirs rundir.Dirs, name string) error {
	path := dirs.Lock(name + ".lock")
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
