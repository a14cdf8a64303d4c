package lab

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"

	"openped/protocol"
)

// Direction of a frame on the link.
type Direction int

// The two directions of the link.
const (
	ToServer Direction = iota // pedclient to pedserver
	ToClient
)

func (d Direction) String() string {
	if d == ToServer {
		return "to the server"
	}
	return "to the client"
}

// Frame is a link frame on its way.
type Frame struct {
	Dir  Direction
	N    int // of all frames in this direction since the relay started, from 1
	PED  int // of those that carry a PED's message, this one included
	Type protocol.FrameType
	Size int // of its body, bytes
}

// Verdict is what becomes of a frame.
type Verdict int

// Verdicts of a hook.
const (
	Pass  Verdict = iota
	Cut           // both sides see the connection end; the frame is lost
	Stall         // nothing passes on this connection from here on, either way, and nobody is told
)

// Relay is a stretch of the network between pedclient and pedserver. It passes
// link frames on, counts them and keeps a copy of all bytes, as anybody on the
// way could.
type Relay struct {
	l  net.Listener
	to string

	mu     sync.Mutex
	hook   func(Frame) Verdict
	frames [2]int
	peds   [2]int
	bytes  bytes.Buffer
	conns  map[*relayed]bool
	closed bool
	wg     sync.WaitGroup
}

type relayed struct {
	near, far net.Conn
	stalled   bool // under the relay's mutex
}

// NewRelay listens on a free port of 127.0.0.1 and passes connections on to
// addr.
func NewRelay(addr string) (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{l: l, to: addr, conns: map[*relayed]bool{}}
	r.wg.Go(r.serve)
	return r, nil
}

// Port is where pedclient finds the relay, on 127.0.0.1.
func (r *Relay) Port() int { return r.l.Addr().(*net.TCPAddr).Port }

// OnFrame sets what is asked about each frame before it is passed on; nil passes
// all. The frame waits while the hook runs, and no other frame is judged; the
// hook must not call the relay.
func (r *Relay) OnFrame(hook func(Frame) Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = hook
}

// Cut ends all connections that pass through now.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.close()
	}
}

// Count returns how many frames passed or were judged in a direction, and how
// many of them carried a PED's message.
func (r *Relay) Count(d Direction) (frames, ped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frames[d], r.peds[d]
}

// Recorded returns a copy of all bytes that passed, both directions in the order
// of their frames.
func (r *Relay) Recorded() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.bytes.Bytes())
}

// Close ends the relay and all that passes through it.
func (r *Relay) Close() {
	_ = r.l.Close()
	r.mu.Lock()
	r.closed = true
	for c := range r.conns {
		c.close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *Relay) serve() {
	for {
		near, err := r.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		c := &relayed{near: near, far: far}
		r.mu.Lock()
		if r.closed {
			c.close()
		}
		r.conns[c] = true
		r.mu.Unlock()
		r.wg.Go(func() {
			var both sync.WaitGroup
			both.Go(func() { r.pass(c, ToServer, far, near) })
			both.Go(func() { r.pass(c, ToClient, near, far) })
			both.Wait()
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.conns, c)
		})
	}
}

func (c *relayed) close() {
	_ = c.near.Close()
	_ = c.far.Close()
}

// pass passes frames on until one side ends or a hook cuts the connection. What
// is no frame is passed on as it is.
func (r *Relay) pass(c *relayed, d Direction, to io.Writer, from io.Reader) {
	defer c.close()
	for {
		var raw bytes.Buffer
		f, err := protocol.ReadFrame(io.TeeReader(from, &raw))
		if err != nil {
			// Not a frame, or half of one: what is there goes on, so that the far side
			// judges it.
			r.keep(raw.Bytes())
			_, _ = to.Write(raw.Bytes())
			_, _ = io.Copy(io.MultiWriter(to, keeper{r}), from)
			return
		}
		switch r.judge(c, d, f, raw.Bytes()) {
		case Cut:
			return
		case Pass:
			if _, err := to.Write(raw.Bytes()); err != nil {
				return
			}
		}
	}
}

// judge counts a frame, asks the hook, and keeps a copy of what goes on.
func (r *Relay) judge(c *relayed, d Direction, f protocol.Frame, raw []byte) Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.stalled {
		return Stall // read and dropped
	}
	r.frames[d]++
	if f.Type == protocol.FramePED {
		r.peds[d]++
	}
	v := Pass
	if r.hook != nil {
		v = r.hook(Frame{Dir: d, N: r.frames[d], PED: r.peds[d], Type: f.Type, Size: len(f.Body)})
	}
	if v == Pass {
		r.bytes.Write(raw)
	}
	c.stalled = v == Stall
	return v
}

func (r *Relay) keep(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes.Write(b)
}

type keeper struct{ r *Relay }

func (k keeper) Write(b []byte) (int, error) {
	k.r.keep(b)
	return len(b), nil
}

// The ports that FreePort gives are below those that the system gives to outgoing
// connections, which would take one between its choice and its use.
const (
	firstPort = 20000
	ports     = 10000
)

var nextPort atomic.Uint32

func init() { nextPort.Store(rand.Uint32N(ports)) }

// FreePort returns a TCP port of 127.0.0.1 that nobody has now, another one each
// time.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := firstPort + int(nextPort.Add(1)%ports)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
