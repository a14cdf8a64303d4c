package usbped

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"
)

// FromHostKind is what a host did.
type FromHostKind uint8

// The kinds.
const (
	// HostOpened: a host opened the PED. The PED drops what it did for an
	// earlier one and answers with SendEvent of its state.
	HostOpened FromHostKind = 1
	// HostFrame: a frame of the channel.
	HostFrame FromHostKind = 2
	// HostCancel: drop the channel, abort whatever dialogue runs, and say so with
	// SendCanceled.
	HostCancel FromHostKind = 3
	// HostGone: the host is gone, or must begin anew. The PED drops what it did
	// for it.
	HostGone FromHostKind = 4
)

// String returns "opened", "frame", "cancel" or "gone".
func (k FromHostKind) String() string {
	switch k {
	case HostOpened:
		return "opened"
	case HostFrame:
		return "frame"
	case HostCancel:
		return "cancel"
	case HostGone:
		return "gone"
	}
	return "unknown"
}

// FromHost is one thing a host sent.
type FromHost struct {
	Kind  FromHostKind
	Frame []byte // of HostFrame, 1–65700 bytes
	Token uint32 // of HostCancel
}

// arrived is a FromHost, or a segment of one.
type arrived struct {
	FromHost
	more bool
	era  uint32
}

// window is the credit that a PED of ours gives.
const window = 256 << 10

// Gadget is the PED's end of the framing. Who a PED is, and pings, it answers
// by itself, also while a dialogue runs. Its methods may be called from several
// goroutines, Recv from one. Errors are those of Device.
type Gadget struct {
	c      *conn
	port   GadgetPort
	stream bool // one lane for all, and one host: whoever loses the thread hangs up
	busy   bool
	info   Info
	window uint32
	got    *queue[arrived]
	part   []byte // of the frame that Recv puts together, its own

	bulk    *lane
	lost    bool        // only RESET is of interest; the reader's own
	silence *time.Timer // of a host

	mu        sync.Mutex
	era       uint32 // counts openings, cancels and ends
	open      bool   // INFO is said since the last RESET
	pinged    bool   // the host sends pings
	heard     time.Time
	segment   int
	filled    int    // of the frame whose segments come
	used      uint32 // of the host's credit
	owed      uint32 // credit to be given back
	canceling bool   // CANCELED is due
	cancel    uint32 // with this token
	out       outbox

	workers sync.WaitGroup
}

// NewGadget serves one host over rw, which it owns from here on. A host that
// does not open the PED within HandshakeTimeout is dropped.
func NewGadget(rw io.ReadWriteCloser, info Info) *Gadget {
	g := newGadget(streamPort{rw}, info)
	g.stream = true
	// A caller that says nothing must not keep the PED from others.
	g.silence = time.AfterFunc(HandshakeTimeout, func() { g.c.fail(errSilent) })
	return g.start()
}

// NewPortGadget serves host after host on a cable, which it owns from here on,
// until a call of port fails.
func NewPortGadget(port GadgetPort, info Info) *Gadget {
	g := newGadget(port, info)
	g.silence = time.AfterFunc(HostTimeout, g.silent)
	g.silence.Stop()
	return g.start()
}

func newGadget(port GadgetPort, info Info) *Gadget {
	g := &Gadget{c: newConn(port.Close), port: port, info: info, window: window, segment: MaxSegment,
		bulk: bulkLane(port.Read), lost: true, got: newQueue[arrived]()}
	g.out.wake = make(chan struct{}, 1)
	g.out.wakeEvents = make(chan struct{}, 1)
	return g
}

// silent forgets a host on a cable that is not heard any more.
func (g *Gadget) silent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pinged && time.Since(g.heard) >= HostTimeout {
		g.loseLocked()
	}
}

func (g *Gadget) start() *Gadget {
	g.workers.Go(g.readLoop)
	g.workers.Go(g.writeLoop)
	if !g.stream {
		g.workers.Go(g.eventLoop)
	}
	return g
}

// Refuse tells the host at the other end of rw that another one has the PED,
// and closes rw. It takes no longer than HandshakeTimeout.
func Refuse(ctx context.Context, rw io.ReadWriteCloser, info Info) error {
	g := newGadget(streamPort{rw}, info)
	g.stream, g.busy = true, true
	g.silence = time.AfterFunc(HandshakeTimeout, func() { g.c.fail(errSilent) })
	stop := context.AfterFunc(ctx, func() { g.c.fail(ctx.Err()) })
	defer stop()
	g.start()
	<-g.c.dead
	_ = g.Close()
	if g.out.said {
		return nil
	}
	return g.c.err()
}

func (g *Gadget) readLoop() {
	defer g.silence.Stop()
	for {
		f, err := g.nextFrame()
		if err == nil {
			err = g.take(f)
		}
		switch {
		case err == nil:
		case errors.Is(err, ErrCorrupt) || errors.Is(err, ErrOverrun):
			g.lost = true
			g.lose(err)
		default:
			g.c.fail(err)
		}
		if g.c.err() != nil {
			return
		}
	}
}

// nextFrame returns the next frame, once the thread is lost the next RESET.
func (g *Gadget) nextFrame() (rawFrame, error) {
	if g.lost {
		if err := g.bulk.seekReset(); err != nil {
			return rawFrame{}, err
		}
		g.lost = false
	}
	return g.bulk.next()
}

// take answers what the framing itself answers, and queues the rest.
func (g *Gadget) take(f rawFrame) error {
	if f.typ == typeReset {
		return g.reset(f)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.typ == typeInfoRequest {
		return g.opened(f)
	}
	if !g.open {
		return ErrCorrupt
	}
	g.heard, g.pinged = time.Now(), g.pinged || f.typ == typePing
	if g.pinged && !g.stream {
		g.silence.Reset(HostTimeout)
	}
	switch f.typ {
	case typePing:
		g.out.pong = f.payload
		g.out.wakeUp()
		return nil
	case typeFrame:
		return g.arrive(f)
	case typeCancel:
		return g.canceled(binary.BigEndian.Uint32(f.payload))
	}
	return ErrCorrupt
}

// reset begins anew for whoever is at the other end.
func (g *Gadget) reset(f rawFrame) error {
	token := resetToken(f.payload)
	if token == (resetToken{}) {
		return ErrCorrupt
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget()
	g.out.reset(token)
	return nil
}

// opened answers INFO-REQUEST, which must be the host's first frame after RESET.
func (g *Gadget) opened(f rawFrame) error {
	p, err := decodeInfoRequest(f.payload)
	if err != nil || f.seq != 1 {
		return ErrCorrupt
	}
	g.segment = int(p.segment)
	v := p.choose()
	g.out.info = infoPayload{v, g.busy, p.segment, g.window, g.info}.encode()
	g.out.wakeUp()
	if g.busy || v == 0 {
		g.out.last = g.stream
		return nil
	}
	g.open = true
	if g.stream {
		g.silence.Stop()
	}
	g.got.put(arrived{FromHost: FromHost{Kind: HostOpened}})
	return nil
}

// arrive takes a segment, if the host has credit for it.
func (g *Gadget) arrive(f rawFrame) error {
	n := len(f.payload)
	g.filled += n
	if g.canceling || n > g.segment || f.more && n < g.segment || g.filled > MaxPayload {
		return ErrCorrupt
	}
	if g.used += cost(n); g.used > g.window {
		return ErrOverrun
	}
	if !f.more {
		g.filled = 0
	}
	g.got.put(arrived{FromHost: FromHost{Kind: HostFrame, Frame: f.payload}, more: f.more, era: g.era})
	return nil
}

// canceled takes CANCEL: what came before it is of no more use, and the host's
// credit is as at first.
func (g *Gadget) canceled(token uint32) error {
	if g.canceling {
		return ErrCorrupt
	}
	g.era++
	g.got.drop(func(m arrived) bool { return m.Kind == HostFrame })
	g.got.put(arrived{FromHost: FromHost{Kind: HostCancel, Token: token}})
	g.canceling, g.cancel, g.filled, g.used, g.owed, g.out.grant = true, token, 0, 0, 0, 0
	return nil
}

// forget forgets the host. What it sent and nobody took is of no more use.
func (g *Gadget) forget() {
	g.era++
	if g.open {
		g.got.drop(func(arrived) bool { return true })
		g.got.put(arrived{FromHost: FromHost{Kind: HostGone}})
	}
	g.open, g.canceling, g.filled, g.used, g.owed = false, false, 0, 0, 0
	if !g.stream {
		g.pinged = false
		g.silence.Stop()
	}
	g.out.clear()
}

// lose forgets a host on a cable and lets it know, if it can be told. A stream
// ends.
func (g *Gadget) lose(cause error) {
	if g.stream {
		g.c.fail(cause)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.loseLocked()
}

func (g *Gadget) loseLocked() {
	if g.open {
		g.forget()
		g.out.reset(resetToken{})
	}
}

// Recv waits for what the host sends next. What arrived before the host went is
// still delivered.
func (g *Gadget) Recv(ctx context.Context) (FromHost, error) {
	for {
		m, err := g.got.next(ctx, g.c)
		if err != nil {
			return FromHost{}, err
		}
		if m.Kind != HostFrame {
			g.part = nil
			return m.FromHost, nil
		}
		g.consumed(m)
		if g.part != nil || m.more {
			m.Frame = append(g.part, m.Frame...)
		}
		if !m.more {
			g.part = nil
			return m.FromHost, nil
		}
		g.part = m.Frame
	}
}

// consumed gives the credit of a segment back, in large pieces.
func (g *Gadget) consumed(m arrived) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.era != g.era {
		return
	}
	if g.owed += cost(len(m.Frame)); g.owed < g.window/2 {
		return
	}
	g.out.grant += g.owed
	g.used -= g.owed
	g.owed = 0
	g.out.wakeUp()
}

// Done is closed when the cable or the stream has ended or Close was called.
func (g *Gadget) Done() <-chan struct{} { return g.c.dead }

// Close ends the connection and waits for the workers to be gone. It may be
// called more than once.
func (g *Gadget) Close() error {
	g.c.fail(ErrClosed)
	g.workers.Wait()
	return nil
}
