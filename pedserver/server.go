package pedserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"openped/internal/strangers"
	"openped/protocol"
)

// Server relays between one PED and the HSM hosts that call.
type Server struct {
	cfg     Config
	log     *slog.Logger
	ped     *ped
	limits  *strangers.Limits
	quiet   *strangers.Quiet // the log of strangers' doings
	started time.Time

	mu      sync.Mutex
	current *client       // who has the PED
	total   time.Duration // of all ended connections
	idle    time.Duration // of that, without PED frames
}

// New returns a server that does nothing until Serve.
func New(cfg Config) *Server {
	cfg.fill()
	s := &Server{cfg: cfg, log: cfg.Log, started: time.Now()}
	s.ped = newPED(&s.cfg)
	s.limits = strangers.NewLimits(s.cfg.MaxPending, s.cfg.MaxPerAddress)
	s.quiet = strangers.NewQuiet(s.log)
	return s
}

// Serve opens the PED and accepts HSM hosts on the listeners until ctx ends; it
// closes the listeners, tells the connected host and makes the PED idle. It
// returns nil after ctx, or the error of a listener that failed by itself.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var acceptors, conns, rest sync.WaitGroup
	// The device outlives the connections: their end makes it idle.
	pedCtx, stopPED := context.WithCancel(context.WithoutCancel(ctx))
	rest.Go(func() { s.ped.run(pedCtx) })
	rest.Go(func() { s.quiet.Run(pedCtx) })

	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		acceptors.Go(func() { failed <- s.accept(ctx, l, &conns) })
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
	conns.Wait()
	stopPED()
	rest.Wait()
	return err
}

func (s *Server) accept(ctx context.Context, l net.Listener, conns *sync.WaitGroup) error {
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() || isTransient(err) {
				// Out of descriptors, or a caller gone before it was
				// accepted: the next may do better.
				s.quiet.Say(slog.LevelWarn, netip.Addr{}, "accept", "err", err)
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
				continue
			}
			return err
		}
		conns.Go(func() { s.handle(ctx, c) })
	}
}

// handle serves one connection from accept to close.
func (s *Server) handle(ctx context.Context, c net.Conn) {
	defer c.Close()
	from := strangers.AddrOf(c.RemoteAddr())
	log := s.log.With("from", c.RemoteAddr().String())
	guest, ok := s.limits.Admit(from, c)
	if !ok {
		s.quiet.Say(slog.LevelWarn, from, "too many connections, refused one", "from", c.RemoteAddr().String())
		return
	}
	defer guest.Leave()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	l := &link{Conn: c, writeTimeout: s.cfg.WriteTimeout}
	hello, acquire, err := l.greet(s.cfg.ReadTimeout)
	if !stop() {
		return
	}
	if err != nil {
		s.refuse(from, l, err, "from", c.RemoteAddr().String())
		return
	}
	h, err := s.acquire(ctx, from)
	if err != nil {
		s.refuse(from, l, err, "from", c.RemoteAddr().String(), "hsm", acquire.HSMSerial)
		return
	}
	log = log.With("hsm", acquire.HSMSerial)
	guest.Leave()
	meta := newClient(c.RemoteAddr().String(), acquire.HSMSerial, hello.Software)
	s.begin(meta)
	s.quiet.Say(slog.LevelInfo, from, "HSM host has the PED", "from", meta.addr, "hsm", meta.serial, "software", meta.software)
	var proven bool
	if err = l.send(h.serve); err == nil {
		// Not only at the end: the next call may come before that.
		proved := func() { s.limits.Proved(from) }
		ses := &session{cfg: &s.cfg, log: log, link: l, hold: h, meta: meta, proved: proved}
		proven, err = ses.run(ctx)
	}
	if proven {
		s.quiet.Proved(from)
	}
	s.quiet.Say(slog.LevelInfo, from, "HSM host gave the PED back", "from", meta.addr, "hsm", meta.serial, "reason", err, "proven", proven)
	if !proven {
		s.limits.Unproven(from, time.Since(h.since)+settle) // before anybody gets the PED; it takes settle to make it idle
	}
	s.ped.release(ctx, h)
	s.end(meta)
}

// acquire lends the PED to a caller from an address. Who waited for a holder to
// go is judged again: it may have been the same stranger on another connection.
func (s *Server) acquire(ctx context.Context, from netip.Addr) (*hold, error) {
	var busy error
	for {
		if s.limits.Paused(from) {
			return nil, protocol.Error{Code: protocol.LinkErrTooSlow}
		}
		if busy != nil && !s.limits.MayWait(from) {
			return nil, busy
		}
		s.ped.look()
		h, err := s.ped.take()
		if err == nil {
			return h, nil
		}
		if h == nil || busy != nil || !s.limits.MayWait(from) || !s.ped.freed(ctx, h) {
			return nil, err
		}
		busy = err
	}
}

// refuse tells the peer why it does not get the PED.
func (s *Server) refuse(from netip.Addr, l *link, err error, about ...any) {
	var busy errBusy
	var pe protocol.Error
	switch {
	case errors.As(err, &busy):
		s.quiet.Say(slog.LevelInfo, from, "refused: the PED serves another HSM", about...)
		err = l.farewell(protocol.Busy{Since: uint32(busy.since / time.Second)}, true)
	case errors.As(err, &pe):
		s.quiet.Say(slog.LevelWarn, from, "refused: "+pe.Error(), append(about, "reason", err)...)
		err = l.farewell(pe, true)
	default:
		s.quiet.Say(slog.LevelInfo, from, "connection ended before it asked for the PED", append(about, "reason", err)...)
		return
	}
	if err != nil {
		s.quiet.Say(slog.LevelInfo, from, "refusal not delivered", append(about, "err", err)...)
	}
}
