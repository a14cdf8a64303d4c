package scale

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/pedserver"
	"openped/protocol"
	"openped/softped"
)

// inDays runs f with an HSM that has logged in through a PEDserver, in a bubble
// where days pass at once. Pings are rarer than usual: they are not the matter.
func inDays(t *testing.T, idle time.Duration, f func(t *testing.T, d *days)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h, keys := newHSM(t, "7000001")
		h.Start()
		l := newListener()
		d := &days{t: t, hsm: h}
		d.station = newStation(t, l, pedserver.Config{Live: pedserver.Live{IdleTimeout: idle, PingInterval: 10 * time.Minute, PingTimeout: time.Hour}}, h.Origin.Cert, keys)
		d.link = l.dial(t)
		if err := h.Slot.Connect(t.Context(), d.link, hsm.ConnectOptions{}); err != nil {
			t.Fatal(hsmtest.Describe(err))
		}
		d.login()
		f(t, d)
		h.Kill()
	})
}

type days struct {
	t       *testing.T
	hsm     *hsmtest.HSM
	station *station
	link    *link
}

func (d *days) login() {
	d.t.Helper()
	if _, err := d.hsm.Slot.Login(d.t.Context(), protocol.RoleSO, nil); err != nil {
		d.t.Fatal(hsmtest.Describe(err))
	}
}

// The link of an HSM stays up over the ends of its sessions, whether they fall
// into its use or into days without any, and the orange key was wanted once.
func TestLinkOutlivesSessions(t *testing.T) {
	inDays(t, -1, func(t *testing.T, d *days) {
		for _, idle := range []time.Duration{13 * time.Hour, 23 * time.Hour, 49 * time.Hour} {
			time.Sleep(idle)
			d.login()
			if c := d.station.server.Status().Client; c == nil || !c.Proven {
				t.Fatalf("after %v: %+v", idle, c)
			}
		}
		if n := d.station.orangeWanted(); n != 1 {
			t.Errorf("the orange key was wanted %d times", n)
		}
	})
}

// A session's end is no use of the link: that one ends as long after the last
// login as its idle time-out says.
func TestSessionsEndWhileIdle(t *testing.T) {
	inDays(t, 30*time.Hour, func(t *testing.T, d *days) {
		time.Sleep(30*time.Hour - time.Minute)
		if c := d.hsm.Slot.Connected(); !c.Connected || c.Session {
			t.Errorf("before the idle time-out: %+v", c)
		}
		if d.link.ended() != nil {
			t.Fatal(d.link.ended())
		}
		time.Sleep(2 * time.Minute)
		if err := (protocol.Error{}); !errors.As(d.link.ended(), &err) || err.Code != protocol.LinkErrIdle {
			t.Errorf("after the idle time-out: %v", d.link.ended())
		}
	})
}

// F-07: nothing between a custodian and the HSM counts the minutes of a command.
// People who need nearly all the time there is for each screen log in after more
// than 600 s, over a link that would end after one minute without use.
func TestF07ThroughPEDserver(t *testing.T) {
	inDays(t, time.Minute, func(t *testing.T, d *days) {
		d.station.slow(softped.DefaultActionTime - time.Second)
		begin := time.Now()
		d.login()
		if took := time.Since(begin); took <= 600*time.Second {
			t.Errorf("took %v: the test is too fast to show anything", took)
		}
		if d.link.ended() != nil {
			t.Error(d.link.ended())
		}
	})
}

// link is an HSM's end of the link to a PEDserver: an hsm.FrameConn.
type link struct {
	net.Conn
	wmu  sync.Mutex
	in   chan []byte
	done chan struct{} // closed when err is known
	err  error
}

func (l *link) write(b protocol.Body) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	return protocol.WriteBody(l.Conn, b)
}

func (l *link) read() (err error) {
	defer func() { l.err = err; close(l.done) }()
	for {
		f, err := protocol.ReadFrame(l.Conn)
		if err != nil {
			return err
		}
		b, err := f.Decode()
		if err != nil {
			return err
		}
		switch b := b.(type) {
		case protocol.PEDFrame:
			l.in <- b.Bytes
		case protocol.Ping:
			err = l.write(protocol.Pong(b))
		case protocol.Error:
			return b
		}
		if err != nil {
			return err
		}
	}
}

// ended is why the link has ended, or nil.
func (l *link) ended() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}

func (l *link) Send(_ context.Context, frame []byte) error {
	return l.write(protocol.PEDFrame{Bytes: frame})
}

func (l *link) Recv(ctx context.Context) ([]byte, error) {
	select {
	case f := <-l.in:
		return f, nil
	case <-l.done:
		return nil, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listener takes calls in memory.
type listener struct {
	calls chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newListener() *listener { return &listener{calls: make(chan net.Conn), done: make(chan struct{})} }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1503} }

// accepted is a connection that has an address, as PEDserver wants it.
type accepted struct{ net.Conn }

func (accepted) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 40000} }

// dial calls, and acquires the PED.
func (l *listener) dial(t *testing.T) *link {
	t.Helper()
	a, b := net.Pipe()
	l.calls <- accepted{b}
	k := &link{Conn: a, in: make(chan []byte, 64), done: make(chan struct{})}
	for _, m := range []protocol.Body{
		protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "test"},
		protocol.Acquire{HSMSerial: "7000001"},
	} {
		if err := protocol.WriteBody(a, m); err != nil {
			t.Fatal(err)
		}
		if f, err := protocol.ReadFrame(a); err != nil || f.Type != protocol.FrameHello && f.Type != protocol.FrameAcquired {
			t.Fatalf("%v, %v", f.Type, err)
		}
	}
	go func() { _ = k.read() }()
	return k
}
