package pedserver

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"openped/internal/logs"
	"openped/protocol"
	"openped/usbped"
)

// plug is an Opener whose PED can be plugged in and pulled.
type plug struct {
	mu   sync.Mutex
	here bool
	ped  *fakePED

	other usbped.Device // opened instead of a fakePED

	lack   error                             // of Open, if set
	hang   func()                            // called by Open, if set
	wrap   func(usbped.Device) usbped.Device // what is opened, if set
	serial string                            // of the PED; "" is P1
	seen   []string                          // what the system tells is plugged in; nil: it does not tell
	reset  func() error                      // a reset of the port
	opens  int
	resets int
}

// Reset implements usbped.Resetter.
func (p *plug) Reset(context.Context) error {
	p.mu.Lock()
	p.resets++
	reset := p.reset
	p.mu.Unlock()
	if reset == nil {
		return nil
	}
	return reset()
}

// Serials implements usbped.Lister.
func (p *plug) Serials() ([]string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen, p.seen != nil
}

// change changes what is at the end of the cable.
func (p *plug) change(f func(*plug)) { p.mu.Lock(); f(p); p.mu.Unlock() }

func (p *plug) String() string { return "fake" }

func (p *plug) Open(ctx context.Context) (usbped.Device, error) {
	p.mu.Lock()
	p.opens++
	here, lack, hang, wrap, serial := p.here, p.lack, p.hang, p.wrap, cmp.Or(p.serial, "P1")
	p.mu.Unlock()
	if hang != nil {
		hang()
	}
	if lack != nil {
		return nil, lack
	}
	if !here {
		return nil, usbped.ErrNoDevice
	}
	if p.other != nil {
		return p.other, nil
	}
	a, b := net.Pipe()
	c := &cable{Conn: b, pulled: make(chan struct{})}
	ped := &fakePED{conn: c, gadget: usbped.NewGadget(c, usbped.Info{Serial: serial, Firmware: "2.9.0", Software: true}),
		got: make(chan usbped.FromHost, 1024)}
	ped.mode.Store(uint32(protocol.PEDModeRemote))
	go ped.run()
	p.mu.Lock()
	p.ped = ped
	p.mu.Unlock()
	dev, err := usbped.NewHost(ctx, a)
	if err != nil {
		return nil, err
	}
	if wrap != nil {
		return wrap(dev), nil
	}
	return dev, nil
}

func (p *plug) set(here bool) {
	p.mu.Lock()
	p.here = here
	ped := p.ped
	p.mu.Unlock()
	if !here && ped != nil {
		ped.conn.Close()
	}
}

func (p *plug) now() *fakePED { p.mu.Lock(); defer p.mu.Unlock(); return p.ped }

// fakePED answers an opening with its state and a cancel with "idle", and shows
// all it gets to the test.
type fakePED struct {
	gadget *usbped.Gadget
	conn   *cable
	mode   atomic.Uint32
	got    chan usbped.FromHost
}

// cable is the PED's end of a cable that can cease to carry anything.
type cable struct {
	net.Conn
	silent atomic.Bool
	once   sync.Once
	pulled chan struct{}
}

func (c *cable) Close() error {
	c.once.Do(func() { close(c.pulled) })
	return c.Conn.Close()
}

func (c *cable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.silent.Load() {
		<-c.pulled
	}
	return n, err
}

func (c *cable) Write(p []byte) (int, error) {
	if c.silent.Load() {
		<-c.pulled
	}
	return c.Conn.Write(p)
}

func (f *fakePED) run() {
	for {
		m, err := f.gadget.Recv(context.Background())
		if err != nil {
			f.gadget.Close()
			return
		}
		if m.Kind != usbped.HostFrame {
			f.event(protocol.EvtState)
			_ = f.gadget.SendCanceled(context.Background(), m.Token)
		}
		select {
		case f.got <- m:
		default: // the test does not look
		}
	}
}

func (f *fakePED) event(k protocol.EventKind) {
	_ = f.gadget.SendEvent(context.Background(), protocol.PEDEvent{Kind: k, Mode: protocol.PEDMode(f.mode.Load()), RPKs: []protocol.KeySerial{{1, 2}}})
}

func (f *fakePED) frame(b []byte) { _ = f.gadget.SendFrame(context.Background(), b) }

// next returns the next thing of kind k that the host sent, within d.
func (f *fakePED) next(t *testing.T, k usbped.FromHostKind) []byte {
	t.Helper()
	timeout := time.After(time.Second)
	for {
		select {
		case m := <-f.got:
			if m.Kind == k {
				return m.Frame
			}
		case <-timeout:
			t.Fatalf("the PED got no %v", k)
		}
	}
}

// world is a server in a bubble with one fake PED.
type world struct {
	t    *testing.T
	plug *plug
	srv  *Server
	log  *syncBuffer
	ln   *pipeListener
	stop context.CancelFunc
	done chan error

	mu    sync.Mutex
	hosts []*host
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func testLog(w io.Writer) *slog.Logger {
	return slog.New(logs.New(w, logs.Levels{Info: true, Warning: true, Error: true, Trace: true}))
}

func inWorld(t *testing.T, cfg Config, f func(*world)) {
	t.Helper()
	inWorldWith(t, func(*testing.T) Config { return cfg }, f)
}

// inWorldWith is inWorld with a configuration that is made in the bubble.
func inWorldWith(t *testing.T, config func(*testing.T) Config, f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t)
		w := &world{t: t, plug: &plug{here: true}, log: new(syncBuffer), ln: newPipeListener(), done: make(chan error, 1)}
		cfg.Opener = w.plug
		cfg.Log = testLog(w.log)
		w.srv = New(cfg)
		ctx, cancel := context.WithCancel(context.Background())
		w.stop = cancel
		go func() {
			if cfg.Peer {
				w.done <- w.srv.Serve(ctx)
				return
			}
			w.done <- w.srv.Serve(ctx, w.ln)
		}()
		synctest.Wait()
		defer func() {
			cancel()
			if err := <-w.done; err != nil {
				t.Errorf("Serve: %v", err)
			}
			if p := w.plug.now(); p != nil {
				p.gadget.Close()
			}
			for _, h := range w.hosts {
				h.c.Close()
			}
			if t.Failed() {
				t.Log(w.log.String())
			}
		}()
		f(w)
	})
}

// host is an HSM host's side of a connection.
type host struct {
	t *testing.T
	c net.Conn
	// what came, in order; pings are answered and left out unless mute is set
	in    chan protocol.Body
	pings atomic.Int32
	mute  chan struct{}
	end   chan struct{}
	wmu   sync.Mutex
}

func (w *world) dial(from string) *host { return w.host(w.ln.dial(from)) }

// host reads what the server sends over c.
func (w *world) host(c net.Conn) *host {
	h := &host{t: w.t, c: c, in: make(chan protocol.Body, 64), mute: make(chan struct{}), end: make(chan struct{})}
	w.mu.Lock()
	w.hosts = append(w.hosts, h)
	w.mu.Unlock()
	go func() {
		defer close(h.end)
		for {
			f, err := protocol.ReadFrame(h.c)
			if err != nil {
				return
			}
			b, err := f.Decode()
			if err != nil {
				w.t.Errorf("frame from the server: %v", err)
				return
			}
			p, ok := b.(protocol.Ping)
			if !ok {
				h.in <- b
				continue
			}
			h.pings.Add(1)
			select {
			case <-h.mute:
			default:
				go h.send(protocol.Pong(p)) // a pipe has no room for what both say at once
			}
		}
	}()
	return h
}

func (h *host) send(b protocol.Body) {
	h.wmu.Lock()
	defer h.wmu.Unlock()
	_ = h.c.SetWriteDeadline(time.Now().Add(time.Second))
	_ = protocol.WriteBody(h.c, b)
}

// next returns the next frame of the server but pings, within a second.
func (h *host) next() protocol.Body {
	h.t.Helper()
	select {
	case b := <-h.in:
		return b
	default:
	}
	select {
	case b := <-h.in:
		return b
	case <-h.end:
		return nil
	case <-time.After(time.Second):
		h.t.Fatal("nothing from the server")
		return nil
	}
}

func want[T protocol.Body](h *host) T {
	h.t.Helper()
	b := h.next()
	v, ok := b.(T)
	if !ok {
		h.t.Fatalf("got %#v, want %T", b, v)
	}
	return v
}

func (h *host) ended() bool {
	select {
	case <-h.end:
		return true
	default:
		return false
	}
}

func (h *host) hello() {
	h.send(protocol.Hello{MinVersion: 1, MaxVersion: 1, Software: "test"})
	want[protocol.Hello](h)
}

// acquire gets the PED and, if proven, lets the PED vouch for it.
func (w *world) acquire(from string, proven bool) *host {
	w.t.Helper()
	h := w.dial(from)
	h.hello()
	h.send(protocol.Acquire{HSMSerial: "H1"})
	a := want[protocol.Acquired](h)
	if a != (protocol.Acquired{Serial: "P1", Firmware: "2.9.0", Software: true}) {
		w.t.Errorf("%+v", a)
	}
	if proven {
		w.plug.now().event(protocol.EvtProven)
		if e := want[protocol.PEDEvent](h); e.Kind != protocol.EvtProven {
			w.t.Errorf("%+v", e)
		}
	}
	return h
}

// pipeListener hands out in-memory connections with addresses.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 1503} }

func (l *pipeListener) dial(from string) net.Conn {
	a, b := net.Pipe()
	l.conns <- addrConn{b, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 4000))}
	return a
}

type addrConn struct {
	net.Conn
	addr net.Addr
}

func (c addrConn) RemoteAddr() net.Addr { return c.addr }
