package admin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"openped/internal/atomicfile"
	"openped/internal/cmdline"
	"openped/internal/rc"
	"openped/internal/rundir"
)

// Stopping answers POST /v1/stop.
type Stopping struct {
	PID int `json:"pid"`
}

const (
	stopAgain = 50 * time.Millisecond // between requests to a daemon that does not listen yet
	killWait  = 5 * time.Second       // for the end of a killed process
)

// Stop ends the daemon called name and waits until it is gone, at most timeout:
// it asks, again while a daemon that is starting does not listen yet, and sends
// SIGTERM at half of the time. With force, a process that is not gone by then is
// killed, and what it leaves is removed: its lock, its socket and the other
// sockets named. The error wraps ErrNotRunning if there is none.
func Stop(ctx context.Context, dirs rundir.Dirs, name string, timeout time.Duration, force bool, sockets ...string) error {
	lock := dirs.Lock(name + ".lock")
	c, err := NewClient(dirs, name, timeout/2)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	gone, refused := ask(ctx, c, dirs, name, timeout/2)
	if gone || errors.Is(refused, ErrForeign) {
		return refused
	}
	pid, held, err := atomicfile.Holder(lock)
	if err != nil {
		return err
	}
	if !held {
		return refused
	}
	if pid == 0 {
		return cmdline.Failed(fmt.Errorf("%s does not end, and its lock does not tell which process it is", name), "end it by hand")
	}
	if err := signalTo(pid, lock, syscall.SIGTERM); err != nil {
		return err
	}
	if WaitGone(ctx, dirs, name) == nil {
		Sweep(dirs, name, sockets...)
		return nil
	}
	if !force {
		return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.OperationTimedOut, Err: fmt.Errorf("process %d does not end", pid), Hint: "-force kills it"}
	}
	if err := signalTo(pid, lock, syscall.SIGKILL); err != nil {
		return err
	}
	ctx, cancel = context.WithTimeout(context.Background(), killWait)
	defer cancel()
	if WaitGone(ctx, dirs, name) != nil {
		return fmt.Errorf("process %d does not even die", pid)
	}
	Sweep(dirs, name, sockets...)
	return nil
}

// ask posts the wish until somebody has taken it, and waits for the end, at most
// d in all. It reports whether there is no daemon any more; the error is then
// nil, or ErrNotRunning if there was none. Otherwise it is why the daemon is not asked
// at all.
func ask(ctx context.Context, c *Client, dirs rundir.Dirs, name string, d time.Duration) (gone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for asked := false; ; {
		err := c.Post(ctx, "/v1/stop", nil, new(Stopping))
		if errors.Is(err, ErrForeign) || errors.Is(err, rundir.ErrUnsafe) {
			return false, err
		}
		absent := errors.Is(err, ErrNotRunning)
		asked = asked || !absent
		wait, cancel := context.WithTimeout(ctx, stopAgain)
		if !absent {
			cancel()
			wait, cancel = context.WithCancel(ctx)
		}
		alone := WaitGone(wait, dirs, name) == nil
		cancel()
		switch {
		case alone && asked:
			return true, nil
		case alone:
			return true, err
		case !absent || ctx.Err() != nil:
			return false, nil
		}
	}
}

// signalTo sends a signal to the process that held the lock, if it still does:
// nobody else gets it, though numbers are used again.
func signalTo(pid int, lock string, sig os.Signal) error {
	p, err := os.FindProcess(pid) // fixes which process is meant, where the kernel can
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer func() { _ = p.Release() }()
	if now, held, err := atomicfile.Holder(lock); err == nil && (!held || now != pid) {
		return nil
	}
	// Windows has no SIGTERM.
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	return nil
}
