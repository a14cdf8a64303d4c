package pedserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"openped/certs/linkid"
	"openped/internal/strangers"
	"openped/protocol"
)

func (s *Server) accept(ctx context.Context, l net.Listener) error {
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
		s.counts.connected()
		from := strangers.AddrOf(c.RemoteAddr())
		if !s.live.now().permits(from) {
			s.turnAway(from, c)
			s.refusals.Wait(ctx, time.Second)
			continue
		}
		guest, ok := s.limits.Admit(from, c)
		if !ok {
			s.counts.refuse(refusedCrowd)
			s.quiet.Say(slog.LevelWarn, from, "too many connections, refused one", "from", c.RemoteAddr().String())
			strangers.Abort(c)
			s.refusals.Wait(ctx, time.Second)
			continue
		}
		s.conns.Go(func() { s.handle(ctx, c, guest) })
	}
}

// turnAway tells a caller that he is not served. Reliably only a few at a time:
// it takes a moment, and nobody waits for it.
func (s *Server) turnAway(from netip.Addr, c net.Conn) {
	s.counts.refuse(refusedAddress)
	s.quiet.Say(slog.LevelWarn, from, "refused: the address is not among the allowed clients", "from", c.RemoteAddr().String())
	l := &link{Conn: c, raw: c, live: &s.live}
	select {
	case s.leaving <- struct{}{}:
		s.conns.Go(func() {
			_ = l.farewell(protocol.Error{Code: protocol.LinkErrNotAllowed})
			c.Close()
			<-s.leaving
		})
	default:
		strangers.Abort(c)
	}
}

// caller is the HSM host at the other end of a link.
type caller struct {
	from   netip.Addr
	addr   string // with port
	name   string // as registered, if TLS has made it known
	tls    string // what protects the link, empty if nothing does
	peer   *linkid.Conn
	called bool // by us
}

// about is the caller in a line of the log.
func (c caller) about() []any {
	about := []any{"from", c.addr}
	if c.name != "" {
		about = append(about, "name", c.name)
	}
	return about
}

// handle serves one connection from accept to close.
func (s *Server) handle(ctx context.Context, c net.Conn, guest *strangers.Guest) {
	defer c.Close()
	defer guest.Leave()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	who := caller{from: strangers.AddrOf(c.RemoteAddr()), addr: c.RemoteAddr().String()}
	by := time.Now().Add(s.live.now().ReadTimeout)
	l, err := s.meet(ctx, c, guest, &who, by)
	var hello protocol.Hello
	if err == nil {
		hello, err = l.hello(by)
	}
	var b protocol.Body
	if err == nil {
		guest.Asked()
		b, err = l.recv(by)
		guest.Heard()
	}
	switch {
	case !stop():
		return
	case err != nil:
		s.refuse(who, guest, l, err)
		return
	}
	switch b := b.(type) {
	case protocol.Probe:
		s.counts.probed()
		guest.Told()
		_ = l.farewell(s.ped.probe())
		s.quiet.Say(slog.LevelInfo, who.from, "told an HSM host about the PED", who.about()...)
	case protocol.Acquire:
		h, err := s.acquire(ctx, who.from)
		if err != nil {
			s.refuse(who, guest, l, err, "hsm", b.HSMSerial)
			return
		}
		guest.Leave()
		giveBack, _ := s.lend(ctx, l, who, hello, b, h)
		giveBack()
	default:
		s.refuse(who, guest, l, protocol.Error{Code: protocol.LinkErrProtocol})
	}
}

// meet finds out whether a caller speaks TLS, and then who he is. The link is
// there in any case, for a last word.
func (s *Server) meet(ctx context.Context, c net.Conn, guest *strangers.Guest, who *caller, by time.Time) (*link, error) {
	l := &link{Conn: c, raw: c, live: &s.live}
	_ = c.SetReadDeadline(by)
	p, first, err := strangers.Peek(c)
	if err != nil {
		return l, err
	}
	tls, id := s.live.now().TLS, s.cfg.Identity()
	if id == nil {
		tls = TLSOff
		if s.live.now().TLS == TLSRequired {
			return l, errNoTLS
		}
	}
	switch {
	case first != strangers.TLSHandshake && tls == TLSRequired:
		return l, errPlain
	case first != strangers.TLSHandshake:
		l.Conn = p
		return l, nil
	case tls == TLSOff:
		return l, errNoTLS
	}
	guest.Heard()
	if !s.limits.Known(who.from) && !s.shakes.Wait(ctx, time.Until(by)) {
		return l, errCrowded
	}
	guest.Asked()
	tctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	t, err := linkid.Server(tctx, p, id, s.cfg.Peers())
	if err != nil {
		return l, err
	}
	l.Conn, who.peer, who.name, who.tls = t, t, t.PeerName(), t.Protection()
	return l, nil
}

var (
	errPlain   = errors.New("TLS is required")
	errNoTLS   = errors.New("TLS is off, or this PEDserver has no identity")
	errCrowded = errors.New("too many TLS handshakes")
)

// acquire lends the PED to a caller from an address. Who waited for a holder to
// go is judged again: it may have been the same stranger on another connection.
func (s *Server) acquire(ctx context.Context, from netip.Addr) (*hold, error) {
	var busy error
	patient := true
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
		if errors.Is(err, protocol.Error{Code: protocol.LinkErrPEDMode}) && patient && s.limits.MayWait(from) && s.ped.leavesMode(ctx) {
			patient = false
			continue
		}
		if h == nil || busy != nil || !s.limits.MayWait(from) || !s.ped.freed(ctx, h) {
			return nil, err
		}
		busy = err
	}
}

// refuse tells the peer why it does not get the PED, and waits for it to hang up.
func (s *Server) refuse(who caller, guest *strangers.Guest, l *link, err error, about ...any) {
	about = append(who.about(), about...)
	last, level, msg := s.answer(who, err)
	if msg != "" {
		about = append(about, "reason", err)
	} else {
		msg = "refused: " + err.Error()
	}
	s.quiet.Say(level, who.from, msg, about...)
	if last == nil {
		return
	}
	if guest != nil {
		guest.Told()
	}
	if err := l.farewell(last); err != nil {
		s.quiet.Say(slog.LevelInfo, who.from, "refusal not delivered", append(about, "err", err)...)
	}
}

// answer counts a refusal. It returns the last word to the peer, nil if there is
// to be none, and how to log it.
func (s *Server) answer(who caller, err error) (last protocol.Body, level slog.Level, msg string) {
	var busy errBusy
	var pe protocol.Error
	var tls *linkid.RefusedError
	notAllowed := protocol.Error{Code: protocol.LinkErrNotAllowed}
	switch {
	case errors.As(err, &busy):
		s.counts.refuse(refusedBusy)
		b := protocol.Busy{Since: uint32(busy.since / time.Second)}
		if who.name != "" {
			b.Holder = s.holder()
		}
		return b, slog.LevelInfo, ""
	case errors.As(err, &pe):
		s.counts.refuse(refusedCodes[pe.Code])
		return pe, slog.LevelWarn, "refused: " + pe.Error()
	case errors.Is(err, errPlain):
		s.counts.refuse(refusedPlain)
		return notAllowed, slog.LevelWarn, ""
	case errors.Is(err, errNoTLS):
		s.counts.refuse(refusedNoTLS)
		return notAllowed, slog.LevelWarn, ""
	case errors.Is(err, errCrowded):
		s.counts.refuse(refusedCrowd)
		return nil, slog.LevelWarn, ""
	case errors.As(err, &tls):
		s.counts.refuseTLS(tls.Reason)
		return nil, slog.LevelWarn, "refused by TLS: " + tls.Reason.String()
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.counts.refuse(refusedSilent)
	default:
		s.counts.refuse(refusedGone)
	}
	return nil, slog.LevelInfo, "connection ended before it asked for the PED"
}

// holder is the registered name of who has the PED.
func (s *Server) holder() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return ""
	}
	return s.current.name
}
