package linkid

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// connect makes a connection between two that have registered each other.
func connect(t testing.TB, a, b *Identity) (dialled, accepted *Conn) {
	t.Helper()
	d, s := pair(t)
	done := server(s, a, registry(PEDServer, b))
	dialled, err := Client(context.Background(), d, b, registry(Appliance, a), "")
	if err != nil {
		t.Fatal(err)
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { dialled.Close(); r.conn.Close() })
	return dialled, r.conn
}

// TestRecheck: a connection that stands is judged by the registry of today.
//
// Rule out: in Conn.Recheck, return nil.
func TestRecheck(t *testing.T) {
	a, b, c := newID(t, "alpha"), newID(t, "beta"), newID(t, "beta")
	d, s := connect(t, a, b)
	for _, x := range []struct {
		name string
		conn *Conn
		reg  *Registry
		want Reason
	}{
		{"still there", s, registry(PEDServer, newID(t, "more"), b), 0},
		{"deleted", s, registry(PEDServer, newID(t, "more")), Unregistered},
		{"nobody left", s, nil, Unregistered},
		{"registered anew", s, registry(PEDServer, c), Regenerated},
		{"under another name", s, &Registry{kind: PEDServer, peers: []Peer{{Name: "gamma", Cert: b.Cert}}}, WrongName},
		{"dialled, still there", d, registry(Appliance, a), 0},
		{"dialled, deleted", d, registry(Appliance), Unregistered},
	} {
		err := x.conn.Recheck(x.reg)
		var refused *RefusedError
		if x.want == 0 && err != nil || x.want != 0 && (!errors.As(err, &refused) || refused.Reason != x.want) {
			t.Errorf("%s: %v, want %s", x.name, err, x.want)
		}
	}
}

// TestClosedEarly: a refusal, as the refused side that dialled learns of it.
func TestClosedEarly(t *testing.T) {
	a, b := newID(t, "alpha"), newID(t, "beta")
	t.Run("reading", func(t *testing.T) {
		d, s := connect(t, a, b)
		s.Conn.(*tls.Conn).NetConn().(*quiet).Conn.Close()
		if _, err := d.Read(make([]byte, 1)); !errors.Is(err, ErrClosedEarly) {
			t.Error(err)
		}
	})
	t.Run("writing", func(t *testing.T) {
		d, s := connect(t, a, b)
		s.raw.Conn.(*net.TCPConn).SetLinger(0)
		s.raw.Conn.Close()
		for end := time.Now().Add(5 * time.Second); ; {
			_, err := d.Write([]byte("x"))
			if err != nil {
				if !errors.Is(err, ErrClosedEarly) {
					t.Error(err)
				}
				return
			}
			if time.Now().After(end) {
				t.Fatal("writes to a closed connection succeed")
			}
		}
	})
	t.Run("not early", func(t *testing.T) {
		d, s := connect(t, a, b)
		go func() { s.Write([]byte("x")); s.Close() }()
		if _, err := io.ReadFull(d, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
	})
	t.Run("a deadline is none", func(t *testing.T) {
		d, _ := connect(t, a, b)
		d.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := d.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("one's own closing is none", func(t *testing.T) {
		d, _ := connect(t, a, b)
		d.Close()
		if _, err := d.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	t.Run("cut handshake", func(t *testing.T) {
		d, s := pair(t)
		s.Close()
		if _, err := Client(t.Context(), d, a, registry(Appliance, b), ""); !errors.Is(err, ErrClosedEarly) {
			t.Error(err)
		}
	})
}

// TestNoResumption: nothing of a connection helps with the next one, so that a
// deleted peer is refused at the next one.
//
// Rule out: in attempt.config, allow session tickets.
func TestNoResumption(t *testing.T) {
	a, b := newID(t, "alpha"), newID(t, "beta")
	cache := tls.NewLRUClientSessionCache(4)
	for _, reg := range []*Registry{registry(PEDServer, b), registry(PEDServer, b), registry(PEDServer)} {
		d, s := pair(t)
		done := server(s, a, reg)
		c := tls.Client(d, &tls.Config{InsecureSkipVerify: true, ServerName: "x", NextProtos: []string{"openped-link"}, ClientSessionCache: cache, Certificates: []tls.Certificate{*b.certificate()}})
		if err := c.Handshake(); err != nil || c.ConnectionState().DidResume {
			t.Fatalf("%v, resumed %v", err, c.ConnectionState().DidResume)
		}
		r := <-done
		if (r.err == nil) != (len(reg.Peers()) == 1) {
			t.Errorf("%d peers: %v", len(reg.Peers()), r.err)
		}
		if r.err == nil {
			go func() { r.conn.Write([]byte("x")); r.conn.Close() }()
			io.ReadAll(c) // a ticket would come in front of the data
		}
		if _, ok := cache.Get("x"); ok {
			t.Error("there is a ticket")
		}
	}
}

// TestP521 is the key exchange with who has no ML-KEM.
func TestP521(t *testing.T) {
	a, b := newID(t, "alpha"), newID(t, "beta")
	d, s := pair(t)
	done := server(s, a, registry(PEDServer, b))
	c := tls.Client(d, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"openped-link"}, CurvePreferences: []tls.CurveID{tls.CurveP521, tls.X25519}, Certificates: []tls.Certificate{*b.certificate()}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.err != nil || r.conn.Protection() != "TLS 1.3, P521" {
		t.Errorf("%v", r.err)
	}
}

func TestOwnIdentity(t *testing.T) {
	a := newID(t, "alpha")
	expired, err := generate("old", time.Now().Add(-time.Hour), time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		id   *Identity
		want string
		text string
	}{
		{"none", nil, "", ErrNoIdentity.Error()},
		{"expired", expired, "", "expired on"},
		{"nobody of that name", a, "beta", "beta: is not registered"},
	} {
		d, s := pair(t)
		if _, err := Client(t.Context(), d, c.id, registry(Appliance, a), c.want); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
		s.SetReadDeadline(time.Now().Add(5 * time.Second))
		if b, err := io.ReadAll(s); len(b) > 0 || err != nil {
			t.Errorf("%s: %d bytes were sent, then %v", c.name, len(b), err)
		}
	}
	if _, err := Server(t.Context(), nopConn(t), nil, nil); !errors.Is(err, ErrNoIdentity) {
		t.Error(err)
	}
}

func nopConn(t *testing.T) net.Conn {
	d, _ := pair(t)
	return d
}

func TestBounds(t *testing.T) {
	a := newID(t, "alpha")
	t.Run("time", func(t *testing.T) {
		_, s := pair(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := Server(ctx, s, a, nil)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != TooSlow {
			t.Error(err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		_, s := pair(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := Server(ctx, s, a, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("size", func(t *testing.T) {
		d, s := pair(t)
		go func() { // a ClientHello of 64 KiB in records of 16
			d.Write([]byte{22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xfc})
			d.Write(make([]byte, 0x4000-4))
			for range 3 {
				d.Write([]byte{22, 3, 1, 0x40, 0})
				d.Write(make([]byte, 0x4000))
			}
		}()
		in := &meter{Conn: s}
		_, err := Server(t.Context(), in, a, nil)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != TooMuch || in.n > maxHandshake {
			t.Errorf("%v after %d bytes", err, in.n)
		}
	})
}

// meter counts what is read.
type meter struct {
	net.Conn
	n int
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.n += n
	return n, err
}

// TestLong: the bound on a handshake is none on the connection, nor on what the
// peer sends right behind his last message of it.
func TestLong(t *testing.T) {
	a, b := newID(t, "alpha"), newID(t, "beta")
	d, s := pair(t)
	done := server(s, a, registry(PEDServer, b))
	c, err := Client(t.Context(), d, b, registry(Appliance, a), "")
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	go func() { c.Write(data); c.Close() }()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	if got, err := io.ReadAll(r.conn); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestCloseIsQuick: a peer that does not read does not hold up the closing.
func TestCloseIsQuick(t *testing.T) {
	d, _ := connect(t, newID(t, "alpha"), newID(t, "beta"))
	// Below TLS, or it would know and not say good-bye at all. The kernel's buffers
	// grow for a while.
	raw := d.raw.Conn
	for full := 0; full < 5; {
		raw.SetWriteDeadline(time.Now().Add(30 * time.Millisecond))
		if n, err := raw.Write(make([]byte, 1<<16)); err != nil && n == 0 {
			full++
		}
	}
	raw.SetWriteDeadline(time.Time{})
	done := make(chan struct{})
	go func() { d.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(4 * time.Second): // crypto/tls by itself: 5 s
		t.Error("closing waits for the peer")
	}
}

// TestAdministrator: the two services do not mix, also if the same certificates
// are registered for both.
//
// Rule out: in Kind.service, return the same for all kinds.
func TestAdministrator(t *testing.T) {
	a, b := newID(t, "alpha"), newID(t, "beta")
	for _, c := range []struct {
		client, server Kind
		ok             bool
	}{{Administrator, Administrator, true}, {Appliance, PEDServer, true}, {Administrator, PEDServer, false}, {Appliance, Administrator, false}} {
		d, s := pair(t)
		accept := Acceptor(func() *Identity { return a }, func() *Registry { return registry(c.server, b) })
		done := make(chan error, 1)
		go func() {
			conn, who, err := accept(context.Background(), s)
			if err == nil && (conn == nil || who != "beta") || err != nil && conn != nil {
				err = errors.New("who is it?")
			}
			done <- err
		}()
		_, err := Client(t.Context(), d, b, Only(c.client, "alpha", a.Cert), "")
		judged := <-done
		if ok := err == nil && judged == nil; ok != c.ok {
			t.Errorf("%s to %s: %v, %v", c.client, c.server, err, judged)
		}
		var refused *RefusedError
		if !c.ok && (!errors.As(judged, &refused) || refused.Reason != WrongService) {
			t.Errorf("%s to %s: %v", c.client, c.server, judged)
		}
	}
}

// TestNothingSecretIsLogged: nor anything that a peer wrote.
func TestNothingSecretIsLogged(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	id := newID(t, "alpha")
	e := &RefusedError{Reason: NotTLS, Peer: "beta", Before: []byte("SSH-2.0")}
	log.Info("x", "id", id, "err", e)
	log.Info(e.Error())
	d, err := id.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "SSH") || strings.Contains(s, new(big.Int).SetBytes(d).String()) || strings.Contains(s, hex.EncodeToString(d)) || !strings.Contains(s, `err="not_tls: beta: the peer does not speak TLS`) || !strings.Contains(s, "id.name=alpha") {
		t.Error(s)
	}
}

func TestReasons(t *testing.T) {
	words := map[string]bool{}
	for _, r := range Reasons() {
		e := &RefusedError{Reason: r, Peer: "abox", Fingerprint: "AB"}
		if words[r.String()] || strings.ContainsAny(r.String(), " -") || strings.HasPrefix(r.String(), "reason") || strings.ContainsAny(e.Error(), "\n") || !strings.Contains(e.Error(), ":") {
			t.Errorf("%d: %s: %v", r, r, e)
		}
		words[r.String()] = true
	}
	if len(words) != int(NotYetValid) {
		t.Errorf("%d reasons", len(words))
	}
	if Reason(0).String() != "reason_0" || Reason(200).String() != "reason_200" || (&RefusedError{Reason: 200}).Error() == "" {
		t.Error("unknown reasons")
	}
}

func BenchmarkHandshake(b *testing.B) {
	x, y := newID(b, "alpha"), newID(b, "beta")
	for b.Loop() {
		d, s := pair(b)
		done := server(s, x, registry(PEDServer, y))
		c, err := Client(context.Background(), d, y, registry(Appliance, x), "alpha")
		if err != nil {
			b.Fatal(err)
		}
		r := <-done
		if r.err != nil {
			b.Fatal(r.err)
		}
		c.Close()
		r.conn.Close()
	}
}
