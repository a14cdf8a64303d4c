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
