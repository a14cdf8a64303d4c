package linkid

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// newID makes an identity for a test.
func newID(t testing.TB, cn string) *Identity {
	t.Helper()
	id, err := Generate(cn)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// registry registers identities under their common names, in lower case.
func registry(kind Kind, ids ...*Identity) *Registry {
	r := &Registry{kind: kind}
	for _, id := range ids {
		r.peers = append(r.peers, Peer{Kind: kind, Name: id.CommonName, Cert: id.Cert})
	}
	return r
}

// pair returns the two ends of a TCP connection on loopback.
func pair(t testing.TB) (dialled, accepted net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return dialled, accepted
}

// server runs Server in the background.
func server(conn net.Conn, id *Identity, reg *Registry) <-chan result {
	done := make(chan result, 1)
	go func() {
		c, err := Server(context.Background(), conn, id, reg)
		done <- result{c, err}
	}()
	return done
}

type result struct {
	conn *Conn
	err  error
}

func TestAccepted(t *testing.T) {
	a, b := newID(t, "alpha"), newID(t, "beta")
	d, s := pair(t)
	done := server(s, a, registry(PEDServer, b))
	c, err := Client(context.Background(), d, b, registry(Appliance, a), "ALPHA")
	if err != nil {
		t.Fatal(err)
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	if c.PeerName() != "alpha" || r.conn.PeerName() != "beta" || c.Protection() != "TLS 1.3, X25519MLKEM768" {
		t.Errorf("%s, %s, %s", c.PeerName(), r.conn.PeerName(), c.Protection())
	}
	go r.conn.Write([]byte("hello"))
	b5 := make([]byte, 5)
	if _, err := io.ReadFull(c, b5); err != nil || string(b5) != "hello" {
		t.Errorf("%q %v", b5, err)
	}
	start := time.Now()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.conn.Read(b5); err != io.EOF || time.Since(start) > time.Second {
		t.Errorf("after a close: %v", err)
	}
}

// TestAlerted: another program that does not accept this side says so in TLS.
func TestAlerted(t *testing.T) {
	a, b := newID(t, "alpha"), newID(t, "beta")
	d, s := pair(t)
	done := server(s, a, registry(PEDServer, b))
	c := tls.Client(d, &tls.Config{ServerName: "alpha", NextProtos: []string{"openped-link"}, Certificates: []tls.Certificate{*b.certificate()}})
	if err := c.Handshake(); err == nil {
		t.Fatal("control: the client trusts anybody")
	}
	if r := <-done; !errors.Is(r.err, ErrClosedEarly) {
		t.Error(r.err)
	}
}

func TestRefusedByListener(t *testing.T) {
	a, b := newID(t, "alpha"), newID(t, "beta")
	d, s := pair(t)
	done := server(s, a, registry(PEDServer))
	c, err := Client(context.Background(), d, b, registry(Appliance, a), "alpha")
	if err != nil {
		t.Fatal(err)
	}
	r := <-done
	var refused *RefusedError
	if !errors.As(r.err, &refused) || refused.Reason != Unregistered {
		t.Fatal(r.err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrClosedEarly) {
		t.Error(err)
	}
}
