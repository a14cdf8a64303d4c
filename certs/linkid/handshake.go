package linkid

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"
)

// handshakeTime is the most that a handshake takes, whatever the caller allows.
const handshakeTime = 5 * time.Second

// ErrNoIdentity means that this host has no certificate to show.
var ErrNoIdentity = errors.New("this host has no TLS identity: make one with -regen -commonname NAME")

// Server does the handshake of the side that was called. The peer must be one of
// the registered ones. On an error conn is closed, and the peer has been told
// nothing; a *RefusedError says why.
func Server(ctx context.Context, conn net.Conn, id *Identity, reg *Registry) (*Conn, error) {
	return handshake(ctx, conn, id, reg, "", true)
}

// Client does the handshake of the side that calls. The peer must be the
// registered one that is called want, or any registered one if want is "". On an
// error conn is closed; a *RefusedError says why. That Client succeeds does not
// mean that the peer takes this side: if it does not, the first Read returns
// ErrClosedEarly.
func Client(ctx context.Context, conn net.Conn, id *Identity, reg *Registry, want string) (*Conn, error) {
	if _, ok := reg.Lookup(want); want != "" && !ok {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", want, ErrNotRegistered)
	}
	if id != nil {
		if text := id.Problem(time.Now()); text != "" {
			conn.Close()
			return nil, errors.New(text)
		}
	}
	return handshake(ctx, conn, id, reg, want, false)
}

var errHello = errors.New("refused at the first message")

// attempt is one handshake on its way.
type attempt struct {
	reg     *Registry
	want    string
	server  bool
	raw     *quiet
	hello   Reason        // why a client is refused at its first message
	shown   bool          // the peer has shown its certificate, if any
	refused *RefusedError // the verdict on it
	peer    Peer
}

func handshake(ctx context.Context, conn net.Conn, id *Identity, reg *Registry, want string, server bool) (_ *Conn, err error) {
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	if id == nil {
		return nil, ErrNoIdentity
	}
	bounded, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	a := &attempt{reg: reg, want: want, server: server, raw: newQuiet(conn)}
	var t *tls.Conn
	if server {
		t = tls.Server(a.raw, a.config(id))
	} else {
		t = tls.Client(a.raw, a.config(id))
	}
	if err := t.HandshakeContext(bounded); err != nil {
		if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, fmt.Errorf("TLS handshake: %w", ctx.Err())
		}
		return nil, a.why(err)
	}
	// A client has judged before it showed its own certificate. A server judges
	// when the client's last message is in: so all of its refusals look the same,
	// and none is about a certificate whose key the peer does not have.
	state := t.ConnectionState()
	if server {
		a.judge(state)
	}
	if a.refused != nil {
		return nil, a.refused
	}
	a.raw.accepted.Store(true)
	return &Conn{Conn: t, raw: a.raw, peer: a.peer, group: state.CurveID, dialled: !server}, nil
}

// config is made for each handshake: nothing is carried over from one to the
// next, so that a deletion counts from the next connection on.
func (a *attempt) config(id *Identity) *tls.Config {
	c := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768, tls.CurveP521},
		NextProtos:             []string{a.reg.Kind().service()},
		SessionTicketsDisabled: true,
		// Peers are compared with what is registered, not chained to authorities.
		InsecureSkipVerify: true,
		ClientAuth:         tls.RequestClientCert,
	}
	if a.server {
		c.Certificates = []tls.Certificate{*id.certificate()}
		// Who looks around with another program gets no certificate to see.
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			switch {
			case !slices.Contains(hello.SupportedVersions, tls.VersionTLS13):
				a.hello = OldTLS
			case !slices.Contains(hello.SupportedProtos, a.reg.Kind().service()):
				a.hello = WrongService
			default:
				return nil, nil
			}
			return nil, errHello
		}
	} else {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return id.certificate(), nil }
	}
	c.VerifyConnection = func(state tls.ConnectionState) error {
		a.shown = true
		if a.server {
			return nil
		}
		if a.judge(state); a.refused != nil {
			return a.refused
		}
		return nil
	}
	return c
}

func (a *attempt) judge(state tls.ConnectionState) {
	if state.NegotiatedProtocol != a.reg.Kind().service() {
		a.refused = &RefusedError{Reason: WrongService, Peer: a.want}
		return
	}
	a.peer, a.refused = a.reg.judge(state.PeerCertificates, a.want, time.Now())
}

// why finds the reason of a handshake that failed. The texts of crypto/tls are
// left out: some have the peer's bytes in them.
func (a *attempt) why(err error) *RefusedError {
	if a.refused != nil {
		return a.refused
	}
	e := &RefusedError{Peer: a.want}
	first := a.raw.first
	var header tls.RecordHeaderError
	switch {
	case errors.Is(err, errTooMuch):
		e.Reason = TooMuch
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e.Reason = TooSlow
	case a.hello != 0:
		e.Reason = a.hello
	case !a.server && serverRefuses(first) != 0:
		e.Reason = serverRefuses(first)
	case errors.As(err, &header), len(first) > 0 && first[0] != recordHandshake && first[0] != recordAlert:
		e.Reason, e.Before = NotTLS, first[:min(len(first), 16)]
	case hungUp(err), alerted(err) && bytes.HasPrefix(first, []byte{recordHandshake}):
		e.Reason = Closed
	case a.shown:
		e.Reason = NoProof
	default:
		e.Reason = Broken
	}
	return e
}

// hungUp reports whether err is of the connection, not of what came over it.
func hungUp(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "read" || op.Op == "write" || op.Op == "readfrom" || op.Op == "writev")
}

// alerted reports whether the peer has ended the handshake, as other programs
// do, with an alert.
func alerted(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// Acceptor returns Server with the identity and the registry of the moment, in
// the words of a server that knows nothing of them: the connection, and who is
// at its other end.
func Acceptor(id func() *Identity, reg func() *Registry) func(context.Context, net.Conn) (net.Conn, string, error) {
	return func(ctx context.Context, conn net.Conn) (net.Conn, string, error) {
		c, err := Server(ctx, conn, id(), reg())
		if err != nil {
			return nil, "", err
		}
		return c, c.PeerName(), nil
	}
}
