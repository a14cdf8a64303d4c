package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"syscall"
	"time"

	"openped/internal/cmdline"
	"openped/internal/rundir"
)

// Daemon is one running daemon, from its claim to its end.
type Daemon struct {
	Name            string
	Instance        *Instance
	Log             *slog.Logger
	Endpoints       map[string]Handler // besides stop
	ShutdownTimeout time.Duration
}

// Run opens the administration socket, calls ready, and runs serve with a
// context that ends at POST /v1/stop or at SIGTERM or SIGINT. If serve has not
// returned ShutdownTimeout later, Run gives up on it and returns an error: the
// process is to exit then. Socket and lock are removed in every case.
func (d *Daemon) Run(ctx context.Context, ready func(), serve func(context.Context) error) error {
	defer d.Instance.Close()
	l, err := d.Instance.Listen(d.Name+".sock", 0o660)
	if err != nil {
		return err
	}
	if d.Instance.Stale {
		d.Log.Info("cleared what a crashed " + d.Name + " left in the run folder")
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	endpoints := map[string]Handler{"POST /v1/stop": func(context.Context) (any, error) {
		d.Log.Info("stop asked for")
		cancel()
		return Stopping{os.Getpid()}, nil
	}}
	maps.Copy(endpoints, d.Endpoints)
	s := NewServer(d.Log, endpoints)
	admin := make(chan error, 1)
	go func() { admin <- s.Serve(l) }()
	served := make(chan error, 1)
	go func() { served <- serve(ctx) }()
	ready()

	select {
	case err = <-served:
	case err = <-admin:
		cancel()
		err = errors.Join(err, d.wait(served))
	case <-ctx.Done():
		err = d.wait(served)
	}
	end, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	s.Shutdown(end)
	return err
}

func (d *Daemon) wait(served <-chan error) error {
	select {
	case err := <-served:
		return err
	case <-time.After(d.ShutdownTimeout):
		return fmt.Errorf("internal services did not end within %v", d.ShutdownTimeout)
	}
}

// Stopping answers POST /v1/stop.
type Stopping struct {
	PID int `json:"pid"`
}

// Stop ends the daemon called name and waits until it is gone, at most timeout.
// With force, one that is not gone by then is killed. The error wraps
// ErrNotRunning if there is none.
func Stop(ctx context.Context, dirs rundir.Dirs, name string, timeout time.Duration, force bool) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := NewClient(dirs, name, timeout)
	if err != nil {
		return err
	}
	err = c.Post(ctx, "/v1/stop", new(Stopping))
	if errors.Is(err, ErrNotRunning) {
		// It may be ending already, or starting.
		if WaitGone(ctx, dirs, name) == nil {
			return err
		}
	}
	if err == nil {
		err = WaitGone(ctx, dirs, name)
	}
	if err == nil {
		return nil
	}
	pid := holder(dirs, name)
	if pid == 0 {
		return err
	}
	if !force {
		return cmdline.Failed(fmt.Errorf("process %d does not end: %w", pid, err), "-force kills it")
	}
	return kill(dirs, name, pid)
}

func kill(dirs rundir.Dirs, name string, pid int) error {
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := WaitGone(ctx, dirs, name); err != nil {
		return fmt.Errorf("process %d does not even die: %w", pid, err)
	}
	return nil
}

// holder returns the process that has the lock, or 0.
func holder(dirs rundir.Dirs, name string) int {
	i, err := Claim(dirs, name)
	var r *RunningError
	if errors.As(err, &r) {
		return r.PID
	}
	if err == nil {
		i.Close()
	}
	return 0
}
