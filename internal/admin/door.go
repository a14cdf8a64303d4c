package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"openped/internal/localsock"
	"openped/internal/strangers"
)

// Callers at a time. Who is silent while others wait for its place is closed:
// so the owner gets in however many connect and say nothing.
const (
	localPlaces  = 64
	memberPlaces = 64 // of members of the group, besides
	remotePlaces = 32
	perAddress   = 8
)

const (
	retryAccept   = 20 * time.Millisecond  // after an error of the system, such as too many open files
	handshakePace = 10 * time.Millisecond  // a handshake costs time that others need
	handshakeWait = time.Second            // for its turn
	handshakeTime = 5 * time.Second        // from the connection to its end
	refusePace    = 2 * time.Millisecond   // a refusal too
	refuseWait    = 100 * time.Millisecond // for its turn
)

// door lets those in who may call. It is what the HTTP server accepts from.
type door struct {
	net.Listener
	log    *strangers.Quiet
	limits *strangers.Limits
	pace   *strangers.Pace
	ready  chan *caller
	end    context.Context
	close  context.CancelFunc
	err    error // why there will be nobody any more; set before end
}

func (s *Server) newDoor(l net.Listener, places, each int) *door {
	d := &door{Listener: l, log: s.quiet, limits: strangers.NewLimits(places, each), pace: strangers.NewPace(refusePace),
		ready: make(chan *caller)}
	d.end, d.close = context.WithCancel(context.Background())
	return d
}

// Accept waits for the next caller who is let in.
func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.ready:
		return c, nil
	case <-d.end.Done():
		return nil, d.err
	}
}

// Close ends it.
func (d *door) Close() error {
	err := d.Listener.Close()
	<-d.end.Done()
	return err
}

// run accepts until the listener is closed, and has each caller admitted, who
// may take time in a goroutine of all.
func (d *door) run(admit func(c net.Conn, all *sync.WaitGroup)) {
	var all sync.WaitGroup
	for {
		c, err := d.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			d.err = err
			break
		}
		if err != nil {
			d.log.Say(slog.LevelWarn, netip.Addr{}, "can not accept a connection", "err", err)
			time.Sleep(retryAccept)
			continue
		}
		admit(c, &all)
	}
	d.close()
	all.Wait()
}

// refuse closes a connection that is owed nothing, and lets the others of this
// host have their turn.
func (d *door) refuse(c net.Conn, msg string, args ...any) {
	strangers.Abort(c)
	d.log.Say(slog.LevelWarn, strangers.AddrOf(c.RemoteAddr()), msg, args...)
	d.pace.Wait(d.end, refuseWait)
}

// enter hands a caller to the HTTP server.
func (d *door) enter(c *caller) {
	select {
	case d.ready <- c:
	case <-d.end.Done():
		_ = c.Close()
	}
}

// local returns what admits the daemon's own user and root, and members of the
// group, who have places of their own: they take none of the owner's.
func (d *door) local(access localsock.Access) func(net.Conn, *sync.WaitGroup) {
	members := strangers.NewLimits(memberPlaces, memberPlaces)
	for _, l := range []*strangers.Limits{d.limits, members} {
		l.Proved(netip.Addr{}) // the system tells who they are
	}
	return func(c net.Conn, _ *sync.WaitGroup) {
		p, err := localsock.PeerOf(c)
		if err != nil || !access.Allows(p) {
			d.refuse(c, "refused local administration", "uid", p.User, "pid", p.PID, "err", err)
			return
		}
		limits := d.limits
		if !p.Owner {
			limits = members
		}
		g, ok := limits.Admit(netip.Addr{}, c)
		if !ok {
			d.refuse(c, "too many local administrators at a time")
			return
		}
		d.enter(&caller{Conn: c, guest: g, who: fmt.Sprintf("user %s (process %d)", p.User, p.PID), member: !p.Owner})
	}
}

// Secure authenticates whoever called: it returns the connection to talk over,
// and the registered name of the administrator.
type Secure func(context.Context, net.Conn) (c net.Conn, name string, err error)

// TLS is a Secure with a plain configuration, which must demand and check the
// administrator's certificate. The name is that certificate's common name.
func TLS(config *tls.Config) Secure {
	return func(ctx context.Context, c net.Conn) (net.Conn, string, error) {
		t := tls.Server(c, config)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, "", err
		}
		peers := t.ConnectionState().PeerCertificates
		if len(peers) == 0 {
			return nil, "", errors.New("no certificate")
		}
		return t, peers[0].Subject.CommonName, nil
	}
}

// remote returns what admits administrators on the network. Who does not begin
// to speak costs a place and nothing else.
func (d *door) remote(secure Secure) func(net.Conn, *sync.WaitGroup) {
	pace := strangers.NewPace(handshakePace)
	return func(c net.Conn, all *sync.WaitGroup) {
		from := strangers.AddrOf(c.RemoteAddr())
		g, ok := d.limits.Admit(from, c)
		if !ok {
			d.refuse(c, "too many administrators at a time", "from", from)
			return
		}
		all.Go(func() {
			sc, name, err := d.handshake(c, g, secure, pace)
			if err != nil {
				g.Leave()
				d.refuse(c, "refused administration over the network"+reason(err), "from", from, "err", err)
				return
			}
			d.limits.Proved(from)
			d.log.Proved(from)
			d.enter(&caller{Conn: sc, guest: g, who: fmt.Sprintf("administrator %s at %s", name, from), remote: true})
		})
	}
}

// reason is the word of an error that has one for the log, so that a line for one
// reason does not keep another's from being written.
func reason(err error) string {
	if v, ok := errors.AsType[interface {
		error
		slog.LogValuer
	}](err); ok {
		word, _, _ := strings.Cut(v.LogValue().String(), ":")
		return ": " + word
	}
	return ""
}

// handshake authenticates whoever called, in his turn and within handshakeTime.
func (d *door) handshake(c net.Conn, g *strangers.Guest, secure Secure, pace *strangers.Pace) (net.Conn, string, error) {
	ctx, cancel := context.WithTimeout(d.end, handshakeTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	begun, first, err := strangers.Peek(c)
	if err != nil {
		return nil, "", errors.New("said nothing")
	}
	// What is no TLS costs no time either: it is refused at once.
	if first == strangers.TLSHandshake && !d.limits.Known(strangers.AddrOf(c.RemoteAddr())) {
		g.Heard() // it is we who make it wait
		if !pace.Wait(ctx, handshakeWait) {
			return nil, "", errors.New("too many handshakes at a time")
		}
		g.Asked()
	}
	sc, name, err := secure(ctx, begun)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	return sc, name, err
}
