package pedclient

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"openped/certs/linkid"
	"openped/internal/strangers"
)

// Bounds of callers on the port for PEDservers.
const (
	greetTime  = 5 * time.Second        // for TLS and HELLO
	maxPending = 16                     // connections that are not known yet
	maxPerAddr = 4                      // of those, from one address
	tlsPace    = 100 * time.Millisecond // between two handshakes with strangers: they cost time
	refusePace = 2 * time.Millisecond   // between two refusals
)

// ServeLinks waits on the listeners for registered PEDservers until ctx ends,
// and closes the listeners. It returns nil after ctx, or the error of a listener
// that failed by itself. Links that stand then last until Close.
func (c *Client) ServeLinks(ctx context.Context, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var acceptors, conns sync.WaitGroup
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		acceptors.Go(func() { failed <- c.accept(ctx, l, &conns) })
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
	return err
}

func (c *Client) accept(ctx context.Context, l net.Listener, conns *sync.WaitGroup) error {
	refusals := strangers.NewPace(refusePace)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			// Out of descriptors, or a caller gone before it was accepted: the
			// next may do better.
			c.quiet.Say(slog.LevelWarn, netip.Addr{}, "accept", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		c.counts.called()
		from := strangers.AddrOf(conn.RemoteAddr())
		guest, ok := c.limits.Admit(from, conn)
		if !ok {
			c.counts.turn(turnedCrowd)
			c.quiet.Say(slog.LevelWarn, from, "too many connections, refused one", "from", conn.RemoteAddr().String())
			strangers.Abort(conn)
			refusals.Wait(ctx, time.Second)
			continue
		}
		conns.Go(func() {
			defer guest.Leave()
			c.receive(ctx, conn, from, guest)
		})
	}
}

// receive finds out who calls. A registered PEDserver's link is parked; all
// others see their connection close.
func (c *Client) receive(ctx context.Context, conn net.Conn, from netip.Addr, guest *strangers.Guest) {
	ctx, cancel := limited(ctx, greetTime)
	defer cancel()
	refuse := func(count, why string, err error) {
		_ = conn.Close()
		c.counts.turn(count)
		c.quiet.Say(slog.LevelWarn, from, "refused a caller on the port for PEDservers: "+why, "from", conn.RemoteAddr().String(), "reason", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(greetTime))
	peeked, first, err := strangers.Peek(conn)
	if err != nil || first != strangers.TLSHandshake {
		why := linkid.NotTLS
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			why = linkid.TooSlow
		case err != nil:
			why = linkid.Closed
		}
		c.counts.refuse(why)
		refuse(turnedIdentity, why.String(), err)
		return
	}
	guest.Heard() // if it has to wait now, that is not its silence
	if !c.limits.Known(from) && !c.handshakes.Wait(ctx, greetTime/2) {
		strangers.Abort(conn)
		refuse(turnedCrowd, "crowd", errHandshakes)
		return
	}
	guest.Asked()
	tc, err := linkid.Server(ctx, peeked, c.net.secure.own(), c.net.secure.registry())
	var refused *linkid.RefusedError
	switch {
	case errors.As(err, &refused):
		c.counts.refuse(refused.Reason)
		refuse(turnedIdentity, refused.Reason.String(), err)
		return
	case err != nil:
		refuse(turnedIdentity, "no TLS", err)
		return
	}
	guest.Heard()
	g := &greeted{conn: tc, tls: tc, peer: tc.PeerName(), target: Target{Host: from.String(), TLS: true, PEDServer: tc.PeerName()}}
	g.where = g.target.String()
	stop := context.AfterFunc(ctx, func() { _ = tc.SetDeadline(time.Unix(1, 0)) })
	err = g.hello()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		refuse(turnedHello, "no HELLO", err)
		return
	}
	_ = tc.SetDeadline(time.Time{})
	c.limits.Proved(from)
	c.quiet.Proved(from)
	l := newLine(g, true, c.net.clock, c.cfg.Log)
	c.cfg.Log.Info("PEDserver connected", "pedserver", l.peer, "from", conn.RemoteAddr().String(), "software", l.software)
	c.hub.put(l)
	l.start()
	l.recheck(c.net.secure.registry()) // it may have been deleted meanwhile
	if c.closed.Load() {
		l.end(errStopping)
	}
}

var errHandshakes = errors.New("too many TLS handshakes at a time")

// errStopping ends links when pedclient stops.
var errStopping = unplugged("pedclient is stopping", "start it again, then run `ped connect`", errGivenBack)
