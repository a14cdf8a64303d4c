package admin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"openped/internal/cmdline"
	"openped/internal/rc"
)

var nowhere = slog.New(slog.DiscardHandler)

// pipes is a listener and a dialler in memory.
type pipes struct {
	c    chan net.Conn
	end  chan struct{}
	once sync.Once
}

func newPipes() *pipes { return &pipes{c: make(chan net.Conn), end: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.c:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.end) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case p.c <- b:
		return a, nil
	case <-p.end:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// believe is a Secure that lets everybody in.
func believe(_ context.Context, c net.Conn) (net.Conn, string, error) { return c, "tester", nil }

// inMemory runs f in a bubble of fake time with a client of a server with these
// endpoints, over pipes.
func inMemory(t *testing.T, endpoints map[string]Handler, f func(t *testing.T, c *Client, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		s := NewServer(ctx, nowhere, endpoints)
		done := make(chan error, 1)
		go func() { done <- s.ServeRemote(p, believe) }()
		stop := sync.OnceFunc(func() {
			cancel()
			end, over := context.WithTimeout(context.Background(), shutdownTime)
			defer over()
			s.Shutdown(end)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		f(t, NewRemote("x", "memory", p.dial, 10*time.Minute), stop)
		stop()
	})
}

// TestLongCall: an endpoint takes as long as it is allowed to, and no longer.
func TestLongCall(t *testing.T) {
	wait := func(d time.Duration) func(context.Context, Body) (any, error) {
		return func(ctx context.Context, _ Body) (any, error) {
			select {
			case <-time.After(d):
				return "done", nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	inMemory(t, map[string]Handler{
		"POST /long":  {Remote: true, Timeout: 2 * time.Minute, Do: wait(119 * time.Second)},
		"POST /late":  {Remote: true, Timeout: 2 * time.Minute, Do: wait(time.Hour)},
		"POST /short": {Remote: true, Do: wait(time.Hour)},
	}, func(t *testing.T, c *Client, _ func()) {
		var got string
		if err := c.Post(t.Context(), "/long", nil, &got); err != nil || got != "done" {
			t.Errorf("%q %v", got, err)
		}
		for path, want := range map[string]time.Duration{"/late": 2 * time.Minute, "/short": answerTime} {
			begin := time.Now()
			if err := c.Post(t.Context(), path, nil, &got); err == nil || !strings.Contains(err.Error(), "deadline") {
				t.Errorf("%s: %v", path, err)
			}
			if d := time.Since(begin); d != want {
				t.Errorf("%s: %v", path, d)
			}
		}
		begin := time.Now()
		err := c.Within(time.Second).Post(t.Context(), "/long", nil, &got)
		var ee *cmdline.ExitError
		if !errors.As(err, &ee) || ee.RC != rc.OperationTimedOut || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestCallerGoes: what he asked for is not carried on for nobody.
func TestCallerGoes(t *testing.T) {
	var ended chan error // of the bubble
	inMemory(t, map[string]Handler{"POST /long": {Remote: true, Timeout: 2 * time.Minute, Do: func(ctx context.Context, b Body) (any, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}}}, func(t *testing.T, c *Client, _ func()) {
		ended = make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		begin := time.Now()
		go func() { _ = c.Post(ctx, "/long", map[string]string{"name": "x"}, nil) }()
		if err := <-ended; !errors.Is(err, context.Canceled) || time.Since(begin) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestStopCancels: a daemon that stops does not wait for its callers.
func TestStopCancels(t *testing.T) {
	inMemory(t, map[string]Handler{"POST /long": {Remote: true, Timeout: 2 * time.Minute, Do: func(ctx context.Context, _ Body) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}}, func(t *testing.T, c *Client, stop func()) {
		begin := time.Now()
		done := make(chan error, 1)
		go func() { done <- c.Post(t.Context(), "/long", nil, nil) }()
		time.Sleep(time.Second)
		stop()
		if err := <-done; err == nil || time.Since(begin) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestManyLongCalls: there are places for so many, and the others are told.
func TestManyLongCalls(t *testing.T) {
	s := NewServer(t.Context(), nowhere, nil)
	ctx, cancel := context.WithCancel(t.Context())
	call := func(limit time.Duration, do func(context.Context, Body) (any, error)) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.serve(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil), Handler{Timeout: limit, Do: do})
		return w
	}
	begun := make(chan struct{})
	var all sync.WaitGroup
	for range maxLong {
		all.Go(func() {
			call(time.Minute, func(ctx context.Context, _ Body) (any, error) {
				begun <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			})
		})
		<-begun
	}
	short := func(context.Context, Body) (any, error) { return 1, nil }
	if w := call(time.Minute, short); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "wait for one of them") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := call(0, short); w.Code != http.StatusOK {
		t.Errorf("a short call: %d %s", w.Code, w.Body)
	}
	cancel()
	all.Wait()
	ctx = t.Context()
	if w := call(time.Minute, short); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}

// TestSlowRequests: a header or a body that does not come ends the connection.
func TestSlowRequests(t *testing.T) {
	for _, begin := range []string{"", "G", "GET /show HTTP/1.1\r\nHost: x\r\n", "POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := NewServer(ctx, nowhere, map[string]Handler{"POST /take": {Remote: true, Do: func(context.Context, Body) (any, error) { return 1, nil }}})
			done := make(chan error, 1)
			go func() { done <- s.ServeRemote(p, believe) }()
			c, err := p.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			go func() { _, _ = io.WriteString(c, begin) }()
			_, _ = io.Copy(io.Discard, c)
			if d := time.Since(start); d > requestTime+writeTime {
				t.Errorf("%q: open for %v", begin, d)
			}
			c.Close()
			s.Shutdown(t.Context())
			<-done
		})
	}
}

func TestBodies(t *testing.T) {
	type ask struct {
		Name string `json:"name"`
	}
	inMemory(t, map[string]Handler{
		"POST /echo": {Remote: true, Do: func(_ context.Context, b Body) (any, error) {
			var a ask
			if err := b.Decode(&a); err != nil {
				return nil, err
			}
			return a, nil
		}},
		"POST /fail": {Remote: true, Do: func(context.Context, Body) (any, error) {
			return nil, &cmdline.ExitError{RC: rc.LegacyMode, Err: errors.New("legacy"), Hint: "start it with -name"}
		}},
		"POST /local": {Do: func(context.Context, Body) (any, error) { return 1, nil }},
		"GET /who":    {Remote: true, Do: func(ctx context.Context, _ Body) (any, error) { return Caller(ctx), nil }},
	}, func(t *testing.T, c *Client, _ func()) {
		var a ask
		if err := c.Post(t.Context(), "/echo", ask{"B"}, &a); err != nil || a.Name != "B" {
			t.Errorf("%+v %v", a, err)
		}
		for _, bad := range []any{nil, map[string]int{"name": 1}, map[string]string{"other": "x"}, []int{1}} {
			if err := c.Post(t.Context(), "/echo", bad, &a); err == nil || !strings.Contains(err.Error(), "unreadable request") {
				t.Errorf("%v: %v", bad, err)
			}
		}
		if err := c.Post(t.Context(), "/echo", ask{strings.Repeat("x", maxBody)}, &a); err == nil || !strings.Contains(err.Error(), "too long") {
			t.Errorf("too long: %v", err)
		}
		var ee *cmdline.ExitError
		err := c.Post(t.Context(), "/fail", nil, nil)
		if !errors.As(err, &ee) || ee.RC != rc.LegacyMode || ee.Code != cmdline.ExitFailed || ee.Hint != "start it with -name" || ee.Err.Error() != "legacy" {
			t.Errorf("%#v", err)
		}
		if err := c.Post(t.Context(), "/local", nil, nil); err == nil || !strings.Contains(err.Error(), "not for administrators on the network") {
			t.Errorf("%v", err)
		}
		var who string
		if err := c.Get(t.Context(), "/who", &who); err != nil || !strings.HasPrefix(who, "administrator tester at ") {
			t.Errorf("%q %v", who, err)
		}
	})
	if err := (Body(`{"name":"x"} {}`)).Decode(new(ask)); err == nil {
		t.Error("two values")
	}
}

func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// network serves an endpoint over TCP and TLS for alice, and returns its address
// and a client with any certificates.
func network(t *testing.T) (addr string, client func(...tls.Certificate) *Client, alice tls.Certificate) {
	t.Helper()
	daemon, alice := certificate(t, "daemon"), certificate(t, "alice")
	known, roots := x509.NewCertPool(), x509.NewCertPool()
	known.AddCert(alice.Leaf)
	roots.AddCert(daemon.Leaf)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	s := NewServer(t.Context(), nowhere, map[string]Handler{"GET /who": {Remote: true, Do: func(ctx context.Context, _ Body) (any, error) { return Caller(ctx), nil }}})
	done := make(chan error, 1)
	go func() {
		done <- s.ServeRemote(l, TLS(&tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{daemon}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: known}))
	}()
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		s.Shutdown(end)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return addr, func(certs ...tls.Certificate) *Client {
		return NewRemote("x", addr, func(ctx context.Context) (net.Conn, error) {
			return (&tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "daemon", Certificates: certs}}).DialContext(ctx, "tcp", addr)
		}, 10*time.Second)
	}, alice
}

// TestNetwork: over TCP and TLS, with whom the configuration lets in.
func TestNetwork(t *testing.T) {
	_, client, alice := network(t)
	var who string
	if err := client(alice).Get(t.Context(), "/who", &who); err != nil || who != "administrator alice at 127.0.0.1" {
		t.Errorf("%q %v", who, err)
	}
	for name, c := range map[string]*Client{"a stranger": client(certificate(t, "mallory")), "no certificate": client()} {
		if err := c.Get(t.Context(), "/who", &who); err == nil || errors.Is(err, ErrNotRunning) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNetworkFlood: strangers who take all places and say nothing, or nonsense, do
// not keep the administrator out.
func TestNetworkFlood(t *testing.T) {
	addr, client, alice := network(t)
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	defer flood.Wait()
	defer cancel()
	var came atomic.Int64
	flood.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i%16), 1)}, Timeout: time.Second}
			if c, err := d.Dial("tcp", addr); err == nil {
				defer c.Close()
				came.Add(1)
				if i%2 == 0 {
					_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nnonsense")
				}
			} else if errors.Is(err, syscall.EADDRNOTAVAIL) {
				cancel() // this system has one loopback address only
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	for came.Load() < 2*remotePlaces && ctx.Err() == nil { // all places are taken when she first comes
		time.Sleep(5 * time.Millisecond)
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && ctx.Err() == nil; {
		var who string
		if err := client(alice).Get(t.Context(), "/who", &who); err != nil {
			t.Fatalf("after %d strangers: %v", came.Load(), err)
		}
	}
}
