package linkid

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// Conn is a connection to a peer that was found to be who it should be.
type Conn struct {
	net.Conn
	raw     *quiet
	peer    Peer
	group   tls.CurveID
	dialled bool
	heard   atomic.Bool
}

// PeerName is the name that the peer is registered under.
func (c *Conn) PeerName() string { return c.peer.Name }

// Protection says what protects the connection, for status.
func (c *Conn) Protection() string {
	return "TLS 1.3, " + strings.TrimPrefix(c.group.String(), "Curve")
}

// Recheck judges the peer again by a newer registry: nil if it would still be
// accepted as who it is.
func (c *Conn) Recheck(reg *Registry) error {
	if _, refused := reg.judge([]*x509.Certificate{c.peer.Cert}, c.peer.Name, time.Now()); refused != nil {
		return refused
	}
	return nil
}

// Read is that of net.Conn. On the side that called, an end before the first byte
// is ErrClosedEarly.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.heard.Store(true)
	}
	return n, c.early(err)
}

// Write is that of net.Conn, with ErrClosedEarly like Read.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.early(err)
}

func (c *Conn) early(err error) error {
	if err == nil || !c.dialled || c.heard.Load() || errors.Is(err, net.ErrClosed) {
		return err
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return err
	}
	return ErrClosedEarly
}

// Close says good-bye, for which it takes a quarter of a second at most.
func (c *Conn) Close() error {
	c.raw.closing.Store(true)
	return c.Conn.Close()
}
