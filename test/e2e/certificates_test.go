package e2e

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"openped/certs/linkid"
	"openped/internal/conffile"
	"openped/test/lab"
)

// host is somebody on the network: certificates, and a key that need not be
// theirs.
type host struct {
	name  string
	cert  *x509.Certificate
	chain [][]byte
	key   crypto.Signer
}

// newHost makes one; issuer nil means that its certificate signs itself.
func newHost(t *testing.T, name string, curve elliptic.Curve, from, until time.Duration, issuer *host) *host {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until)}
	parent, signer := tmpl, crypto.Signer(key)
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &host{name, cert, [][]byte{der}, key}
}

func usual(t *testing.T, name string) *host {
	return newHost(t, name, elliptic.P521(), -time.Hour, time.Hour, nil)
}

// config is TLS as he does it. Nobody shows no certificate.
func (h *host) config(service string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, ClientAuth: tls.RequestClientCert, NextProtos: []string{service}}
	if h != nil {
		cert := tls.Certificate{Certificate: h.chain, PrivateKey: h.key}
		c.Certificates = []tls.Certificate{cert}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return c
}

// file writes the certificate.
func (h *host) file(t *testing.T, l *lab.Lab) string {
	t.Helper()
	path := l.Path(fmt.Sprintf("%s-%x.pem", h.name, h.cert.SerialNumber))
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// impostor is one row of the matrix: what a daemon sees, and the word for it in
// the daemon's log.
type impostor struct {
	word   string
	shows  *host // nil: no certificate
	bend   func(*tls.Config)
	says   string // in place of TLS
	meant  string // whom a calling daemon means, "good" if empty
	silent bool   // a listening daemon does not say a byte
}

// world is who is registered, and who is not.
type world struct {
	good, other, expired, early *host
	rows                        []impostor
}

func newWorld(t *testing.T) *world {
	p521, day := elliptic.P521(), 24*time.Hour
	w := &world{
		good: usual(t, "good"), other: usual(t, "other"),
		expired: newHost(t, "expired", p521, -2*day, -time.Hour, nil), early: newHost(t, "early", p521, time.Hour, 2*day, nil),
	}
	ca := usual(t, "authority")
	copied := *w.good
	copied.key = w.other.key
	long := *w.good
	long.chain = [][]byte{w.good.cert.Raw, w.other.cert.Raw}
	w.rows = []impostor{
		{word: "unregistered", shows: usual(t, "nobody")},
		{word: "regenerated", shows: usual(t, "good")},
		{word: "other_ca", shows: newHost(t, "good", p521, -time.Hour, time.Hour, ca)},
		{word: "expired", shows: w.expired, meant: "expired"},
		{word: "not_yet_valid", shows: w.early, meant: "early"},
		{word: "wrong_key", shows: newHost(t, "good", elliptic.P256(), -time.Hour, time.Hour, nil)},
		{word: "no_proof", shows: &copied},
		{word: "chain", shows: &long},
		{word: "old_tls", shows: w.good, silent: true, bend: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }},
		{word: "wrong_service", shows: w.good, silent: true, bend: func(c *tls.Config) { c.NextProtos = []string{"h2"} }},
		{word: "broken", says: "\x16\x03\x01\x00\x10no such handshake", silent: true},
	}
	return w
}

// register enters the registered ones into a daemon's configuration file: by the
// daemon's command, and by hand those that it would not take.
func (w *world) register(t *testing.T, l *lab.Lab, program, conf, top string, kind linkid.Kind, more ...string) {
	t.Helper()
	for _, h := range []*host{w.good, w.other} {
		args := append([]string{"-" + top, "register", "-name", h.name, "-certificate", h.file(t, l)}, more...)
		if out, err := l.Run(program, args...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if out, err := l.Run(program, append([]string{"-" + top, "register", "-name", "expired", "-certificate", w.expired.file(t, l)}, more...)...); lab.ExitCode(err) != failed || !strings.Contains(out, "expired on") {
		t.Errorf("an expired certificate was registered: %v\n%s", err, out)
	}
	err := conffile.Edit(l.Path(conf), func(f *conffile.File) error {
		for _, h := range []*host{w.expired, w.early} {
			section := string(kind) + " " + h.name
			if err := f.Set(section, "CertFile", h.file(t, l)); err != nil {
				return err
			}
			for i := 0; i+1 < len(more); i += 2 {
				key := map[string]string{"-ip": "IP", "-port": "Port"}[more[i]]
				if err := f.Set(section, key, more[i+1]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wiretap is a connection that keeps what came.
type wiretap struct {
	net.Conn
	came bytes.Buffer
}

func (w *wiretap) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.came.Write(b[:n])
	return n, err
}

// seen is what an impostor saw: the records, what was in them if he could read
// it, and how it ended.
type seen struct {
	records []string
	data    []byte
	err     error
}

// meet is the impostor's side of a connection. Whatever he shows, he sends data
// behind it, and waits for the end.
func (i *impostor) meet(c net.Conn, calls bool, service string) seen {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	tap := &wiretap{Conn: c}
	var s seen
	if i.says != "" {
		_, _ = io.WriteString(c, i.says)
		_, s.err = io.ReadAll(tap)
	} else {
		s.data, s.err = i.speak(tap, calls, service)
	}
	for b := tap.came.Bytes(); len(b) >= 5; {
		n := int(b[3])<<8 | int(b[4])
		s.records = append(s.records, fmt.Sprintf("%d of %d", b[0], n))
		b = b[min(5+n, len(b)):]
	}
	return s
}

func (i *impostor) speak(c net.Conn, calls bool, service string) ([]byte, error) {
	cfg := i.shows.config(service)
	if i.bend != nil {
		i.bend(cfg)
	}
	t := tls.Server(c, cfg)
	if calls {
		t = tls.Client(c, cfg)
	}
	if err := t.Handshake(); err != nil {
		return nil, err
	}
	_, _ = t.Write(bytes.Repeat([]byte{0}, 100))
	return io.ReadAll(t)
}

// check holds what an impostor saw against what everybody sees. Signatures
// differ in length by some bytes.
func (i *impostor) check(t *testing.T, s seen, want []string) {
	t.Helper()
	if len(s.data) > 0 {
		t.Errorf("he got %d bytes", len(s.data))
	}
	if op, ok := errors.AsType[*net.OpError](s.err); ok && op.Op == "remote error" || errors.Is(s.err, os.ErrDeadlineExceeded) {
		t.Errorf("the end of the connection: %v", s.err)
	}
	same := len(s.records) == len(want)
	for n := range min(len(want), len(s.records)) {
		var a, b, x, y int
		fmt.Sscanf(s.records[n], "%d of %d", &a, &x)
		fmt.Sscanf(want[n], "%d of %d", &b, &y)
		same = same && a == b && max(x-y, y-x) <= 8
	}
	if !same {
		t.Errorf("he saw %q, and others see %q", s.records, want)
	}
}

// logs waits for a text in a daemon's log.
func logs(t *testing.T, path, want string) {
	t.Helper()
	var text []byte
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text, _ = os.ReadFile(path); bytes.Contains(text, []byte(want)) {
			return
		}
	}
	t.Errorf("the log has no %q:\n%s", want, text)
}

// listened plays the matrix to a daemon that listens.
func (w *world) listened(t *testing.T, port int, log, service string) {
	dial := func(t *testing.T) net.Conn {
		c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	var flight []string
	rows := append([]impostor{{word: "no_certificate"}}, w.rows...)
	for _, row := range rows {
		t.Run(row.word, func(t *testing.T) {
			s := row.meet(dial(t), true, service)
			want := flight
			switch {
			case flight == nil: // the first sees what all see: a ServerHello, a record that means nothing, and five that are encrypted
				flight, want = s.records, s.records
				if len(flight) != 7 {
					t.Errorf("%q", flight)
				}
			case row.silent:
				want = nil
			}
			row.check(t, s, want)
			logs(t, log, row.word+": ")
		})
	}
	t.Run("accepted", func(t *testing.T) {
		w.accepted(t, tls.Client(dial(t), w.good.config(service)))
	})
}

// accepted is the control: the registered host is taken. The daemon waits for
// what he has to say, or says something itself.
func (w *world) accepted(t *testing.T, c *tls.Conn) {
	t.Helper()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	err := c.Handshake()
	if err == nil {
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		_, err = c.Read(make([]byte, 1))
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("control: %v", err)
	}
}

// called plays the matrix to a daemon that calls l: command makes it do so.
func (w *world) called(t *testing.T, at *lab.Lab, l net.Listener, log string, command func(meant string) []string) {
	rows := append([]impostor{
		{word: "wrong_name", shows: w.other},
		{word: "not_tls", says: "220 smtp.example.org ready\r\n"},
	}, w.rows...)
	var hello []string
	for _, row := range rows {
		t.Run(row.word, func(t *testing.T) {
			if row.meant == "" {
				row.meant = "good"
			}
			got := make(chan seen, 1)
			go func() {
				c, err := l.Accept()
				if err != nil {
					got <- seen{err: err}
					return
				}
				got <- row.meet(c, false, "openped-link")
			}()
			args := command(row.meant)
			out, err := at.Run(args[0], args[1:]...)
			if code := lab.ExitCode(err); code != failed || strings.Contains(out, "example.org") {
				t.Errorf("exit code %d: %s", code, out)
			}
			var s seen
			select {
			case s = <-got:
			case <-time.After(5 * time.Second):
				t.Fatalf("nobody called: %s", out)
			}
			if hello == nil {
				hello = s.records
				if len(hello) != 1 {
					t.Errorf("%q", hello)
				}
			}
			row.check(t, s, hello)
			logs(t, log, row.word+": ")
		})
	}
	t.Run("accepted", func(t *testing.T) {
		args := command("good")
		if _, err := at.Start("control", nil, args[0], args[1:]...); err != nil {
			t.Fatal(err)
		}
		if d, ok := l.(*net.TCPListener); ok {
			_ = d.SetDeadline(time.Now().Add(5 * time.Second))
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		w.accepted(t, tls.Server(c, w.good.config("openped-link")))
	})
}

// identity makes the daemon's own.
func identity(t *testing.T, l *lab.Lab, program string) {
	t.Helper()
	if out, err := l.Run(program, "-regen", "-commonname", program); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func listen(t *testing.T) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// freePort is a port for a daemon's second listener.
func freePort(t *testing.T) int {
	t.Helper()
	p, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The certificate matrix against the running daemons: whoever is refused, each
// for another reason, sees the same, and the reason is in the daemon's log.
func TestCertificates(t *testing.T) {
	w := newWorld(t)
	t.Run("pedserver listens", func(t *testing.T) {
		admin := freePort(t)
		l := lab.New(t, lab.Options{ServerFlags: []string{"-tls", "2", "-eadmin", "1", "-admin", strconv.Itoa(admin)}})
		identity(t, l, "pedserver")
		w.register(t, l, "pedserver", "pedServer.conf", "appliance", linkid.Appliance, "-ip", "127.0.0.1", "-port", "9697")
		l.StartServer()
		w.listened(t, l.Port, l.Path("pedserver.log"), "openped-link")
	})
	t.Run("pedserver's admin port", func(t *testing.T) {
		admin := freePort(t)
		l := lab.New(t, lab.Options{ServerFlags: []string{"-eadmin", "1", "-admin", strconv.Itoa(admin)}})
		identity(t, l, "pedserver")
		w.register(t, l, "pedserver", "pedServer.conf", "administrator", linkid.Administrator)
		l.StartServer()
		w.listened(t, admin, l.Path("pedserver.log"), "http/1.1")
	})
	t.Run("pedserver calls", func(t *testing.T) {
		l := lab.New(t, lab.Options{})
		at, port := listen(t)
		identity(t, l, "pedserver")
		w.register(t, l, "pedserver", "pedServer.conf", "appliance", linkid.Appliance, "-ip", "127.0.0.1", "-port", port)
		for _, name := range []string{"good", "expired", "early"} {
			if out, err := l.Run("pedserver", "-mode", "start", "-name", name, "-peddevice", "unix:"+l.Path("ped.sock"), "-logfile", l.Path("pedserver.log")); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		t.Cleanup(func() { _, _ = l.Run("pedserver", "-mode", "stop") })
		w.called(t, l, at, l.Path("pedserver.log"), func(meant string) []string {
			return []string{"pedserver", "-mode", "connect", "-name", meant}
		})
	})
	t.Run("pedclient listens", func(t *testing.T) {
		l := lab.New(t, lab.Options{ClientFlags: []string{"-listenip", "127.0.0.1"}})
		port := l.LinkPort
		identity(t, l, "pedclient")
		w.register(t, l, "pedclient", "pedClient.conf", "pedserver", linkid.PEDServer)
		l.StartClient()
		w.listened(t, port, l.Path("pedclient.log"), "openped-link")
	})
	t.Run("pedclient's admin port", func(t *testing.T) {
		admin := freePort(t)
		l := lab.New(t, lab.Options{ClientFlags: []string{"-eadmin", "1", "-admin", strconv.Itoa(admin)}})
		identity(t, l, "pedclient")
		w.register(t, l, "pedclient", "pedClient.conf", "administrator", linkid.Administrator)
		l.StartClient()
		w.listened(t, admin, l.Path("pedclient.log"), "http/1.1")
	})
	t.Run("pedclient calls", func(t *testing.T) {
		l := lab.New(t, lab.Options{From: prepared(t), ClientFlags: []string{"-listenip", "127.0.0.1"}})
		at, port := listen(t)
		identity(t, l, "pedclient")
		w.register(t, l, "pedclient", "pedClient.conf", "pedserver", linkid.PEDServer)
		l.StartClient()
		w.called(t, l, at, l.Path("pedclient.log"), func(meant string) []string {
			return []string{"hsmcm", "ped", "connect", "-ip", "127.0.0.1", "-port", port, "-pedserver", meant}
		})
	})
}
