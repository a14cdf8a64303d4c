package linkid

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// canned is a connection whose peer says what was written down beforehand, and
// hangs up.
type canned struct {
	net.Conn
	in    *bytes.Reader
	wrote []byte
}

func (c *canned) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *canned) Write(b []byte) (int, error)      { c.wrote = append(c.wrote, b...); return len(b), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// recorded returns what both sides of a handshake said.
func recorded(t testing.TB, a, b *Identity) (client, server []byte) {
	t.Helper()
	d, s := pair(t)
	dt, st := &tape{Conn: d}, &tape{Conn: s}
	done := make(chan error, 1)
	go func() {
		_, err := Server(context.Background(), st, a, registry(PEDServer, b))
		done <- err
	}()
	if _, err := Client(context.Background(), dt, b, registry(Appliance, a), ""); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return dt.written(), st.written()
}

// TestNoNames: what goes over the wire in the clear does not say who speaks.
//
// Rule out: in attempt.config, set ServerName.
func TestNoNames(t *testing.T) {
	a, b := newID(t, "alpha.example.org"), newID(t, "beta.example.org")
	client, server := recorded(t, a, b)
	for _, id := range []*Identity{a, b} {
		for _, what := range [][]byte{[]byte(id.CommonName), id.Cert.RawSubjectPublicKeyInfo} {
			if bytes.Contains(client, what) || bytes.Contains(server, what) {
				t.Errorf("%s can be read", id.CommonName)
			}
		}
	}
}

// FuzzPeer: whatever comes, in whatever role, there is a refusal with a reason,
// no alert, and no panic.
func FuzzPeer(f *testing.F) {
	a, b := newID(f, "alpha"), newID(f, "beta")
	client, server := recorded(f, a, b)
	f.Add(client)
	f.Add(server)
	f.Add(client[:300])
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"))
	f.Add([]byte{21, 3, 3, 0, 2, 2, 70})
	f.Add([]byte{22, 3, 3, 0, 4, 2, 0, 0, 0})
	f.Add([]byte{0x80, 0x2e, 1, 0, 2})
	f.Add([]byte{})
	reg := registry(PEDServer, a, b)
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, judge := range []func(net.Conn) (*Conn, error){
			func(c net.Conn) (*Conn, error) { return Server(t.Context(), c, a, reg) },
			func(c net.Conn) (*Conn, error) { return Client(t.Context(), c, a, reg, "beta") },
		} {
			conn := &canned{in: bytes.NewReader(in)}
			_, err := judge(conn)
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Reason == 0 || int(refused.Reason) >= len(reasons) {
				t.Fatalf("%v", err)
			}
			if hasAlert(conn.wrote) {
				t.Fatalf("%s is told: %x", refused.Reason, conn.wrote)
			}
		}
	})
}

// FuzzCertificateFile: no file makes a panic, and only a certificate is taken.
func FuzzCertificateFile(f *testing.F) {
	f.Add(encodeCert(newID(f, "alpha").Cert))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := t.TempDir() + "/cert.pem"
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := LoadCertificate(path); err == nil {
			_, _, _ = check(c, time.Now()), CommonName(c), Fingerprint(c)
		}
	})
}

// tamperer passes bytes on and flips bit 0 of one.
type tamperer struct {
	net.Conn
	at int
}

func (x *tamperer) Write(b []byte) (int, error) {
	if x.at >= 0 && x.at < len(b) {
		b = bytes.Clone(b)
		b[x.at] ^= 1
	}
	x.at -= len(b)
	return x.Conn.Write(b)
}

// TestTamper: no byte of a handshake can be changed, but for the version in the
// header of the first record, bytes 1 and 2, which has no meaning. The side that
// notices tells nobody, and no data gets through.
//
// Rule out: in quiet.Write, let alerts through.
func TestTamper(t *testing.T) {
	a, b := newID(t, "alpha"), newID(t, "beta")
	client, server := recorded(t, a, b)
	step := 11
	if testing.Short() {
		step = 97
	}
	// A changed length makes the reader wait for bytes that never come.
	const patience = 300 * time.Millisecond
	try := func(fromClient bool, at int) {
		d, s := pair(t)
		dt, st := &tape{Conn: d}, &tape{Conn: s}
		if fromClient {
			dt.Conn = &tamperer{d, at}
		} else {
			st.Conn = &tamperer{s, at}
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		done := make(chan result, 1)
		go func() {
			c, err := Server(ctx, st, a, registry(PEDServer, b))
			done <- result{c, err}
		}()
		c, err := Client(ctx, dt, b, registry(Appliance, a), "")
		r := <-done
		if r.err == nil {
			r.conn.Write([]byte("secret"))
			r.conn.Close()
		}
		var got []byte
		if err == nil {
			c.SetReadDeadline(time.Now().Add(patience))
			got, err = io.ReadAll(c)
			c.Close()
		}
		var refused *RefusedError
		switch {
		case r.err == nil && len(got) > 0:
			t.Errorf("byte %d (from the client: %v): not noticed", at, fromClient)
		case r.err != nil && !errors.As(r.err, &refused):
			t.Errorf("byte %d: %v", at, r.err)
		case r.err != nil && hasAlert(st.written()), err != nil && c == nil && hasAlert(dt.written()):
			t.Errorf("byte %d: an alert went out", at)
		}
	}
	var wg sync.WaitGroup
	gate := make(chan struct{}, 8)
	for _, fromClient := range []bool{true, false} {
		n := len(server)
		if fromClient {
			n = len(client)
		}
		for at := 0; at < n; at += step {
			gate <- struct{}{}
			wg.Go(func() {
				try(fromClient, at)
				<-gate
			})
		}
	}
	wg.Wait()
}
