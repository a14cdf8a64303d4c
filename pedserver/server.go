package pedserver

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"openped/internal/strangers"
)

// Server relays between one PED and the HSM hosts that call, or that it calls.
type Server struct {
	cfg      Config
	live     settings
	log      *slog.Logger
	ped      *ped
	limits   *strangers.Limits
	quiet    *strangers.Quiet // the log of strangers' doings
	refusals *strangers.Pace  // of calls that are refused at once
	shakes   *strangers.Pace  // of strangers' TLS handshakes
	leaving  chan struct{}    // room for those who are told that they are not served
	counts   *counts
	started  time.Time

	conns sync.WaitGroup // whatever serves a connection, or makes one

	mu         sync.Mutex
	begun      chan struct{}   // closed when Serve has begun
	root       context.Context // of Serve
	running    bool            // Serve has begun and not ended
	current    *client         // who has the PED
	total      time.Duration   // of all ended connections
	idle       time.Duration   // of that, without PED frames
	appliances []*appliance    // in the order of their coming
}

// What strangers may cost: a call that is refused takes some hundredths of a
// millisecond, a TLS handshake some milliseconds.
const (
	refuseEvery = 2 * time.Millisecond
	shakeEvery  = 50 * time.Millisecond
	maxLeaving  = 8
)

// New returns a server that does nothing until Serve.
func New(cfg Config) *Server {
	cfg.fill()
	s := &Server{cfg: cfg, log: cfg.Log, started: time.Now(), counts: newCounts(), begun: make(chan struct{}),
		refusals: strangers.NewPace(refuseEvery), shakes: strangers.NewPace(shakeEvery), leaving: make(chan struct{}, maxLeaving)}
	s.live.set(cfg.Live)
	s.ped = newPED(&s.cfg, &s.live, s.counts)
	s.limits = strangers.NewLimits(s.cfg.MaxPending, s.cfg.MaxPerAddress)
	s.quiet = strangers.NewQuiet(s.log)
	return s
}

// Serve opens the PED, accepts HSM hosts on the listeners and calls the
// appliances that it should until ctx ends; it closes the listeners, tells the
// connected hosts and makes the PED idle. It returns nil after ctx, or the error
// of a listener that failed by itself.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var acceptors, rest sync.WaitGroup
	// The device outlives the connections: their end makes it idle.
	pedCtx, stopPED := context.WithCancel(context.WithoutCancel(ctx))
	rest.Go(func() { s.ped.run(pedCtx) })
	rest.Go(func() { s.quiet.Run(pedCtx) })

	s.run(ctx, true)
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		acceptors.Go(func() { failed <- s.accept(ctx, l) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel()
	for _, l := range listeners {
		_ = l.Close()
	}
	acceptors.Wait()
	s.run(ctx, false)
	s.conns.Wait()
	stopPED()
	rest.Wait()
	return err
}

// run notes that Serve has begun, or ends.
func (s *Server) run(ctx context.Context, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = on
	if on {
		s.root = ctx
		close(s.begun)
	}
	if on && s.cfg.AutoConnect {
		for _, a := range s.appliances {
			s.call(a, true)
		}
	}
}

// Reconfigure puts other settings in force, for the connection that is served
// too. Links that they, or the registry of now, no longer permit are ended.
func (s *Server) Reconfigure(l Live) {
	s.live.set(l)
	s.ped.pace()
	s.recheck()
}
