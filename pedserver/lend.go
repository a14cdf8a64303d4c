package pedserver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"openped/protocol"
)

// lend serves the caller that has got the PED until one side ends that. It
// returns why, errReleased leaves a link of ours standing. giveBack must be
// called then; it returns when the PED is idle.
func (s *Server) lend(ctx context.Context, l *link, who caller, hello protocol.Hello, acquire protocol.Acquire, h *hold) (giveBack func(), reason error) {
	meta := newClient(who, acquire.HSMSerial, hello.Software)
	s.took(meta)
	s.counts.lent()
	s.quiet.Say(slog.LevelInfo, who.from, "HSM host has the PED", append(who.about(), "hsm", meta.serial, "software", meta.software)...)
	var proven bool
	if reason = l.send(h.serve); reason == nil {
		ses := &session{cfg: &s.cfg, live: &s.live, counts: s.counts, calls: s.ped.calls, log: s.log.With("from", who.addr, "hsm", meta.serial), link: l, hold: h, meta: meta,
			stay: who.called,
			// Not only at the end: the next call may come before that.
			proved:    func() { s.limits.Proved(who.from) },
			permitted: func() bool { return s.permitted(who) }}
		proven, reason = ses.run(ctx)
	}
	if proven {
		s.quiet.Proved(who.from)
	}
	s.quiet.Say(slog.LevelInfo, who.from, "HSM host gave the PED back", append(who.about(), "hsm", meta.serial, "reason", reason, "proven", proven)...)
	if !proven {
		s.counts.unproven()
		s.limits.Unproven(who.from, time.Since(h.since)) // before anybody gets the PED
	}
	s.gaveBack(meta)
	return func() { s.ped.release(h) }, reason
}

// permitted judges a caller again by the settings and the registry of now.
func (s *Server) permitted(who caller) bool {
	if who.called {
		return true // see recheck
	}
	live := s.live.now()
	if !live.permits(who.from) {
		return false
	}
	if who.peer == nil {
		return live.TLS != TLSRequired
	}
	return live.TLS != TLSOff && who.peer.Recheck(s.cfg.Peers()) == nil
}

// keep serves a link that we made, HELLO done, until it ends: between two holds
// of the PED it is parked. at is told what the link is in: parked for the first
// time when the HSM host has shown that it has the link too.
func (s *Server) keep(ctx context.Context, l *link, who caller, hello protocol.Hello, at func(LinkState)) error {
	idle := make(chan struct{}) // closed when the PED that this link had is idle again
	close(idle)
	defer func() { <-idle }()
	if err := l.send(protocol.Ping{}); err != nil {
		return err
	}
	heard := func() { at(LinkParked) }
	for {
		acquire, err := s.park(ctx, l, heard)
		if err != nil {
			return err
		}
		h, err := s.wait(ctx, l, who, idle)
		if busy := (errBusy{}); errors.As(err, &busy) {
			last, level, _ := s.answer(who, err)
			s.quiet.Say(level, who.from, "refused: "+err.Error(), append(who.about(), "hsm", acquire.HSMSerial)...)
			if err := l.send(last); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			s.refuse(who, nil, l, err, "hsm", acquire.HSMSerial)
			return err
		}
		at(LinkServing)
		giveBack, reason := s.lend(ctx, l, who, hello, acquire, h)
		done := make(chan struct{})
		idle = done
		// The HSM host hears from us meanwhile.
		go func() { defer close(done); giveBack() }()
		if !errors.Is(reason, errReleased) {
			return reason
		}
		at(LinkParked)
		heard = func() {}
	}
}

// park waits until the HSM host asks for the PED. Otherwise the link has ended.
// heard is called at the first frame.
func (s *Server) park(ctx context.Context, l *link, heard func()) (protocol.Acquire, error) {
	type result struct {
		acquire protocol.Acquire
		err     error
	}
	ended := make(chan result, 1)
	go func() {
		a, err := l.untilAcquire(sync.OnceFunc(heard))
		ended <- result{a, err}
	}()
	part := func(err error) (protocol.Acquire, error) {
		l.part(err, func() { <-ended })
		return protocol.Acquire{}, err
	}
	now := s.live.now()
	ping := time.NewTicker(now.PingInterval)
	defer ping.Stop()
	var token uint32
	for {
		select {
		case <-ctx.Done():
			return part(endOf(ctx))
		case r := <-ended:
			if r.err != nil {
				l.part(r.err, func() {})
			}
			return r.acquire, r.err
		case <-now.changed:
			now = s.live.now()
			ping.Reset(now.PingInterval)
			_ = l.SetReadDeadline(time.Now().Add(now.PingTimeout)) // of the read under way
		case <-ping.C:
			token++
			if err := l.send(protocol.Ping{Token: token}); err != nil {
				return part(err)
			}
		}
	}
}

// untilAcquire reads until the HSM host asks for the PED.
func (l *link) untilAcquire(heard func()) (protocol.Acquire, error) {
	for {
		b, err := l.recv(time.Now().Add(l.live.now().PingTimeout))
		if err != nil {
			return protocol.Acquire{}, orSilent(err)
		}
		heard()
		switch b := b.(type) {
		case protocol.Acquire:
			return b, nil
		case protocol.Ping:
			if err := l.send(protocol.Pong(b)); err != nil {
				return protocol.Acquire{}, err
			}
		case protocol.Pong:
		case protocol.Error:
			return protocol.Acquire{}, peerError(b)
		default:
			return protocol.Acquire{}, protocol.Error{Code: protocol.LinkErrProtocol}
		}
	}
}

// wait gets the PED for a link of ours, once it is idle after what this link did
// with it, and lets the HSM host hear from us until then.
func (s *Server) wait(ctx context.Context, l *link, who caller, idle <-chan struct{}) (*hold, error) {
	type result struct {
		h   *hold
		err error
	}
	got := make(chan result, 1)
	go func() {
		<-idle
		h, err := s.acquire(ctx, who.from)
		got <- result{h, err}
	}()
	ping := time.NewTicker(s.live.now().PingInterval)
	defer ping.Stop()
	var token uint32
	for {
		select {
		case r := <-got:
			return r.h, r.err
		case <-ping.C:
			token++
			_ = l.send(protocol.Ping{Token: token}) // if it fails, so does the answer
		}
	}
}

// endOf is what the peer is told when a context has ended.
func endOf(ctx context.Context) error {
	var pe protocol.Error
	if errors.As(context.Cause(ctx), &pe) {
		return pe
	}
	return protocol.Error{Code: protocol.LinkErrShutdown}
}
