package pedclient

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"openped/certs/linkid"
	"openped/internal/cmdline"
	"openped/protocol"
)

// Target is where a PEDserver is called.
type Target struct {
	Host      string
	Port      int
	TLS       bool
	PEDServer string // the registered one that must answer; needs TLS
}

func (t Target) String() string {
	if t.Port == 0 { // it has called us
		return t.PEDServer + " (" + t.Host + ")"
	}
	return fmt.Sprintf("%s port %d", t.Host, t.Port)
}

// Dialer opens a network connection; net.Dialer's DialContext but in tests.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// network is the way to PEDservers.
type network struct {
	dial   Dialer // nil: the network
	clock  *clock
	secure *secure
}

// greeted is a connection to a PEDserver after HELLO.
type greeted struct {
	conn     net.Conn
	where    string // for people
	target   Target
	peer     string       // who it is by its certificate, "" without TLS
	tls      *linkid.Conn // conn, if it has TLS
	software string       // as it says
	version  uint8        // of the link
}

// greet connects to a PEDserver and exchanges HELLO, before ctx ends. t, which
// may be nil, hears of each step. Errors are *hsm.Error.
func (n *network) greet(ctx context.Context, to Target, t *trace) (*greeted, error) {
	g := &greeted{where: to.String(), target: to}
	if err := n.secure.ready(to); err != nil {
		return nil, err
	}
	dial := n.dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	c, err := dial(t.watch(ctx), "tcp", net.JoinHostPort(to.Host, strconv.Itoa(to.Port)))
	if err != nil {
		return nil, dialError(ctx, to, t, err)
	}
	t.connected(c)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	g.conn = c
	if to.TLS {
		if g.tls, err = n.secure.client(ctx, c, to); err == nil {
			g.conn, g.peer = g.tls, g.tls.PeerName()
			t.step("tls")
		}
	}
	if err == nil {
		err = g.hello()
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close()
		return nil, greetError(ctx, to, err)
	}
	t.step("hello")
	return g, nil
}

// hello exchanges HELLO; this side begins, whoever has dialled.
func (g *greeted) hello() error {
	mine := protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "pedclient " + cmdline.Version}
	if err := protocol.WriteBody(g.conn, mine); err != nil {
		return err
	}
	b, err := readBody(g.conn)
	if err != nil {
		return err
	}
	switch b := b.(type) {
	case protocol.Hello:
		if g.version, err = protocol.Negotiate(mine, b); err != nil {
			return linkError(protocol.LinkErrVersion, g.where)
		}
		g.software = b.Software
		return nil
	case protocol.Error:
		return linkError(b.Code, g.where)
	}
	return linkError(protocol.LinkErrProtocol, g.where)
}

// ask sends a request and returns the answer, before ctx ends.
func (g *greeted) ask(ctx context.Context, request protocol.Body) (protocol.Body, error) {
	stop := context.AfterFunc(ctx, func() { _ = g.conn.SetDeadline(time.Unix(1, 0)) })
	b, err := protocol.Body(nil), protocol.WriteBody(g.conn, request)
	if err == nil {
		b, err = readBody(g.conn)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, greetError(ctx, g.target, err)
	}
	_ = g.conn.SetDeadline(time.Time{})
	if e, ok := b.(protocol.Error); ok {
		return nil, linkError(e.Code, g.where)
	}
	return b, nil
}
