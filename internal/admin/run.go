package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"openped/internal/localsock"
)

// Daemon is one running daemon, from its claim to its end.
type Daemon struct {
	Name            string
	Instance        *Instance
	Log             *slog.Logger
	Endpoints       map[string]Handler // besides stop
	Access          localsock.Access   // who may call besides root and this user
	ShutdownTimeout time.Duration
	Hangup          func()       // on SIGHUP, unless a terminal sends it; may be nil
	Remote          net.Listener // for administrators on the network; may be nil
	Secure          Secure       // how they prove themselves
	Ended           func(error)  // the last word, with what Run returns, while the lock is still held; may be nil
}

// Run opens the administration socket, calls ready, and runs serve with a
// context that ends at POST /v1/stop or at SIGTERM or SIGINT. If serve has not
// returned ShutdownTimeout later, Run gives up on it and returns an error: the
// process is to exit then. Sockets and lock are removed in every case.
func (d *Daemon) Run(ctx context.Context, ready func(), serve func(context.Context) error) (err error) {
	defer d.Instance.Close()
	if d.Ended != nil {
		defer func() { d.Ended(err) }()
	}
	if d.Remote != nil {
		defer d.Remote.Close()
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // a journal that is gone is no reason to end
	l, err := d.Instance.Listen(d.Name+".sock", d.Access)
	if err != nil {
		return err
	}
	if d.Instance.Stale {
		d.Log.Info("cleared what a crashed " + d.Name + " left in the run folder")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.hangups(ctx)

	endpoints := map[string]Handler{"POST /v1/stop": {Remote: true, Do: func(ctx context.Context, _ Body) (any, error) {
		d.Log.Info("stop asked for", "by", Caller(ctx))
		cancel()
		return Stopping{os.Getpid()}, nil
	}}}
	maps.Copy(endpoints, d.Endpoints)
	s := NewServer(ctx, d.Log, endpoints)
	admin := make(chan error, 2)
	go func() { admin <- s.Serve(l) }()
	if d.Remote != nil {
		go func() { admin <- s.ServeRemote(d.Remote, d.Secure) }()
	}
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
	end, done := context.WithTimeout(context.Background(), shutdownTime)
	defer done()
	s.Shutdown(end)
	return err
}

// hangups has SIGHUP mean a reload. In a terminal, and where somebody has chosen
// that it means nothing, it stays what it is.
func (d *Daemon) hangups(ctx context.Context) {
	if d.Hangup == nil || signal.Ignored(syscall.SIGHUP) || term.IsTerminal(int(os.Stdin.Fd())) {
		return
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	go func() {
		defer signal.Stop(c)
		for {
			select {
			case <-c:
				d.Hangup()
			case <-ctx.Done():
				return
			}
		}
	}()
}

func (d *Daemon) wait(served <-chan error) error {
	select {
	case err := <-served:
		return err
	case <-time.After(d.ShutdownTimeout):
		return fmt.Errorf("internal services did not end within %v", d.ShutdownTimeout)
	}
}
