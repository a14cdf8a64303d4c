package linkid

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"
)

// tape is a connection that keeps what its side writes.
type tape struct {
	net.Conn
	mu    sync.Mutex
	wrote []byte
}

func (r *tape) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.wrote = append(r.wrote, b...)
	r.mu.Unlock()
	return r.Conn.Write(b)
}

func (r *tape) written() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.wrote)
}

// shown is what the judged side shows: a chain, and a key that need not be its.
type shown struct {
	chain [][]byte
	key   crypto.Signer
}

func of(id *Identity) *shown { return &shown{[][]byte{id.Cert.Raw}, id.key} }

// issue makes a certificate of any sort; parent nil means by itself.
func issue(t testing.TB, cn string, key crypto.Signer, parent *Identity) *x509.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	var signer crypto.Signer = key
	up := tmpl
	if parent != nil {
		up, signer = parent.Cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, up, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// offence is one row of the matrix: what the judged side does, and what it is
// refused for.
type offence struct {
	name   string
	shows  *shown            // nil: no certificate
	bend   func(*tls.Config) // further misconduct within TLS
	says   string            // this in place of TLS
	want   string            // whom the dialling judge means; a listener means nobody
	reason Reason            // for the log of the judging side
	peer   string            // the registered name in it
	silent bool              // the judge refuses before it has said anything, or no more than its first message
}

// matrix returns the registered peers and the rows that both sides judge.
func matrix(t *testing.T) (registered *Registry, good *Identity, rows []offence) {
	now := time.Now()
	make := func(cn string, from, until time.Duration) *Identity {
		id, err := generate(cn, now.Add(from), now.Add(until))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	good, other := newID(t, "good"), newID(t, "other")
	expired, early := make("expired", -48*time.Hour, -time.Minute), make("early", time.Minute, time.Hour)
	ca, foreign := newID(t, "authority"), newID(t, "good")
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	// A certificate with a key of another kind may even be registered, by hand.
	byHand := issue(t, "byhand", p256, nil)
	r := registry(PEDServer, good, other, expired, early)
	r.peers = append(r.peers, Peer{Kind: PEDServer, Name: "byhand", Cert: byHand})
	single := func(c *x509.Certificate, key crypto.Signer) *shown { return &shown{[][]byte{c.Raw}, key} }
	return r, good, []offence{
		{name: "unregistered", shows: of(newID(t, "nobody")), reason: Unregistered},
		{name: "re-generated", shows: of(foreign), reason: Regenerated, peer: "good"},
		{name: "re-issued for the same key", shows: single(issue(t, "good", good.key, nil), good.key), reason: Regenerated, peer: "good"},
		{name: "other CA", shows: single(issue(t, "good", foreign.key, ca), foreign.key), reason: OtherCA},
		{name: "other CA with its chain", shows: &shown{[][]byte{issue(t, "good", foreign.key, ca).Raw, ca.Cert.Raw}, foreign.key}, reason: OtherCA},
		{name: "issued by a registered peer", shows: single(issue(t, "nobody", foreign.key, good), foreign.key), reason: OtherCA},
		{name: "expired", shows: of(expired), reason: Expired, peer: "expired"},
		{name: "not yet valid", shows: of(early), reason: NotYetValid, peer: "early"},
		{name: "P-256", shows: single(issue(t, "good", p256, nil), p256), reason: WrongKey},
		{name: "P-256, registered", shows: single(byHand, p256), reason: WrongKey},
		{name: "P-384", shows: single(issue(t, "good", p384, nil), p384), reason: WrongKey},
		{name: "Ed25519", shows: single(issue(t, "good", ed, nil), ed), reason: WrongKey},
		{name: "RSA", shows: single(issue(t, "good", rsaKey, nil), rsaKey), reason: WrongKey},
		{name: "a chain", shows: &shown{[][]byte{good.Cert.Raw, other.Cert.Raw}, good.key}, reason: Chain, peer: "good"},
		{name: "a copied certificate", shows: &shown{[][]byte{good.Cert.Raw}, foreign.key}, reason: NoProof},
		{name: "TLS 1.2", shows: of(good), bend: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12; c.MinVersion = tls.VersionTLS10 }, reason: OldTLS, silent: true},
		{name: "TLS 1.1", shows: of(good), bend: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11; c.MinVersion = tls.VersionTLS10 }, reason: OldTLS, silent: true},
		{name: "another service", shows: of(good), bend: func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }, reason: WrongService, silent: true},
		{name: "no common group", shows: of(good), bend: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }, reason: Broken, silent: true},
		{name: "not TLS", says: "SSH-2.0-OpenSSH_10.0\r\n", reason: NotTLS, silent: true},
		{name: "a frame of the link", says: "\x0a\x00\x00\x00\x00\x00\x00\x02\x00\x09", reason: NotTLS, silent: true},
		{name: "a TLS record of nonsense", says: "\x16\x03\x01\x00\x10" + "0123456789abcdef", reason: Broken, silent: true},
		{name: "nothing at all", reason: Closed, says: "-", silent: true},
	}
}

// misbehave is the judged side: it does the handshake as the row says, sends
// application data at once, and returns what it got until the end.
func (o *offence) misbehave(conn net.Conn, dials bool) (got []byte, err error) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if o.says != "" {
		if o.says != "-" {
			conn.Write([]byte(o.says))
		}
		if o.says == "-" {
			conn.(interface{ CloseWrite() error }).CloseWrite()
		}
		got, err = io.ReadAll(conn)
		return nil, err // the tape has it
	}
	c := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"openped-link"}, MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert}
	if o.shows != nil {
		c.Certificates = []tls.Certificate{{Certificate: o.shows.chain, PrivateKey: o.shows.key}}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.Certificates[0], nil }
	}
	if o.bend != nil {
		o.bend(c)
	}
	t := tls.Server(conn, c)
	if dials {
		t = tls.Client(conn, c)
	}
	if err := t.Handshake(); err != nil {
		return nil, err
	}
	t.Write([]byte("data of somebody who was not accepted"))
	return io.ReadAll(t)
}

// judged lets one side judge the other and returns what the judge wrote, its
// error, and what the other got.
func (o *offence) judged(t *testing.T, id *Identity, reg *Registry, listener bool) (wrote []byte, verdict error, got []byte, ended error) {
	t.Helper()
	a, b := pair(t)
	if !listener {
		a, b = b, a
	}
	done := make(chan struct{})
	go func() {
		got, ended = o.misbehave(a, listener)
		close(done)
	}()
	r := &tape{Conn: b}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var c *Conn
	if listener {
		c, verdict = Server(ctx, r, id, reg)
	} else {
		c, verdict = Client(ctx, r, id, reg, o.want)
	}
	if verdict == nil {
		c.Close()
	}
	<-done
	return r.written(), verdict, got, ended
}

// goodBye is the size of the alert at the end of a connection that was accepted.
const goodBye = recordHeader + sealedAlert

// TestMatrix: whatever somebody is refused for, the judging side has the reason
// in its log, and the other sees the same bytes as if he were accepted, then the
// end. The random numbers are the same in each row, so that "the same" can be
// taken literally.
//
// Rule out: in Registry.judge, drop any of its cases, or take Match for a
// comparison of names; in quiet.Write, let alerts through.
func TestMatrix(t *testing.T) {
	reg, good, rows := matrix(t)
	me := newID(t, "me")
	for _, side := range []struct {
		name     string
		listener bool
		flight   func([]byte) int // how much of what goes out to a peer that is accepted is before the verdict
		rows     []offence
	}{
		{"listener judges", true, func(all []byte) int { return len(all) - goodBye }, []offence{
			{name: "no certificate", reason: NoCertificate},
			{name: "no service named", shows: of(good), bend: func(c *tls.Config) { c.NextProtos = nil }, reason: WrongService, silent: true},
		}},
		{"dialler judges", false, func(all []byte) int { return recordHeader + int(all[3])<<8 + int(all[4]) }, []offence{
			{name: "wrong name", shows: of(good), want: "other", reason: WrongName, peer: "other"},
			{name: "wrong name, re-generated", shows: of(newID(t, "other")), want: "other", reason: Regenerated, peer: "other"},
			{name: "wrong name, unregistered", shows: of(newID(t, "other")), want: "good", reason: Unregistered, peer: "good"},
			{name: "no service named", shows: of(good), bend: func(c *tls.Config) { c.NextProtos = nil }, reason: WrongService},
		}},
	} {
		t.Run(side.name, func(t *testing.T) {
			usual := func(t *testing.T) []byte {
				cryptotest.SetGlobalRandom(t, 1)
				wrote, err, _, _ := (&offence{shows: of(good)}).judged(t, me, reg, side.listener)
				if err != nil {
					t.Fatal(err)
				}
				return wrote[:side.flight(wrote)]
			}
			var flight []byte // what goes out before the verdict
			t.Run("accepted", func(t *testing.T) { flight = usual(t) })
			for _, row := range append(side.rows, rows...) {
				t.Run(row.name, func(t *testing.T) {
					cryptotest.SetGlobalRandom(t, 1)
					wrote, err, got, ended := row.judged(t, me, reg, side.listener)
					var refused *RefusedError
					if !errors.As(err, &refused) {
						t.Fatalf("verdict: %v", err)
					}
					if refused.Reason != row.reason || refused.Peer != row.peer {
						t.Errorf("reason %s for %q, want %s for %q", refused.Reason, refused.Peer, row.reason, row.peer)
					}
					if len(got) > 0 {
						t.Errorf("he got %q", got)
					}
					if alert, ok := errors.AsType[*net.OpError](ended); ok && alert.Op == "remote error" {
						t.Errorf("he was told: %v", ended)
					}
					if whole := len(flight); row.silent && side.listener {
						if len(wrote) > 0 {
							t.Errorf("%d bytes went out", len(wrote))
						}
					} else if len(wrote) != whole {
						t.Errorf("%d of %d bytes went out", len(wrote), whole)
					}
					if !bytes.HasPrefix(flight, wrote) {
						t.Errorf("he can see it: %x instead of %x", wrote, flight)
					}
				})
			}
		})
	}
}
