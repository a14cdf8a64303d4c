package usbped

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"openped/protocol"
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
	// HostCancel: drop the channel and abort whatever dialogue runs.
	HostCancel FromHostKind = 3
)

// String returns "opened", "frame" or "cancel".
func (k FromHostKind) String() string {
	switch k {
	case HostOpened:
		return "opened"
	case HostFrame:
		return "frame"
	case HostCancel:
		return "cancel"
	}
	return "unknown"
}

// FromHost is one thing a host sent.
type FromHost struct {
	Kind  FromHostKind
	Frame []byte // of HostFrame, 1–65700 bytes
}

// Gadget is the PED's end of the framing. Who a PED is, and pings, it answers
// by itself, also while a dialogue runs. Its methods may be called from several
// goroutines. Errors are those of Device.
type Gadget struct {
	c     *conn
	info  Info
	busy  bool
	open  atomic.Bool // INFO was sent since the last RESET
	ever  atomic.Bool // INFO was sent
	queue chan FromHost
	done  chan struct{}
}

// NewGadget serves one host over rw, which it owns from here on. A host that
// does not open the PED within HandshakeTimeout is dropped.
func NewGadget(rw io.ReadWriteCloser, info Info) *Gadget {
	g := newGadget(rw, info)
	// A caller that says nothing must not keep the PED from others.
	silent := time.AfterFunc(HandshakeTimeout, func() {
		if !g.ever.Load() {
			g.c.fail(errSilent)
		}
	})
	go func() {
		g.readLoop()
		silent.Stop()
		close(g.done)
	}()
	return g
}

func newGadget(rw io.ReadWriteCloser, info Info) *Gadget {
	return &Gadget{c: newConn(rw), info: info, queue: make(chan FromHost, queueLen), done: make(chan struct{})}
}

// Refuse tells the host at the other end of rw that another one has the PED,
// and closes rw. It takes no longer than HandshakeTimeout.
func Refuse(ctx context.Context, rw io.ReadWriteCloser, info Info) error {
	g := newGadget(rw, info)
	g.busy = true
	err := g.c.within(ctx, func(ctx context.Context) error {
		for !g.open.Load() {
			f, err := g.c.read()
			if err == nil {
				err = g.take(ctx, f)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	g.c.fail(ErrClosed)
	return err
}

func (g *Gadget) readLoop() {
	for {
		f, err := g.c.read()
		if err == nil {
			err = g.take(context.Background(), f)
		}
		if err != nil {
			g.c.fail(err)
			return
		}
	}
}

// take answers what the framing itself answers, and queues the rest.
func (g *Gadget) take(ctx context.Context, f rawFrame) error {
	if !g.open.Load() && f.typ != typeReset && f.typ != typeInfoRequest {
		return ErrCorrupt
	}
	switch f.typ {
	case typeReset:
		g.open.Store(false)
		return g.c.write(ctx, typeReset, nil)
	case typeInfoRequest:
		return g.opened(ctx, f)
	case typePing:
		return g.c.write(ctx, typePong, f.payload)
	case typeFrame:
		return g.put(FromHost{HostFrame, f.payload})
	case typeCancel:
		return g.put(FromHost{Kind: HostCancel})
	}
	return ErrCorrupt
}

// opened answers INFO-REQUEST, which must be the host's first frame after RESET.
func (g *Gadget) opened(ctx context.Context, f rawFrame) error {
	v, err := chooseVersion(f.payload)
	if err != nil || f.seq != 1 {
		return ErrCorrupt
	}
	if err := g.c.write(ctx, typeInfo, infoPayload{v, g.busy, g.info}.encode()); err != nil {
		return err
	}
	g.ever.Store(true)
	g.open.Store(true)
	if g.busy || v == 0 {
		return nil
	}
	return g.put(FromHost{Kind: HostOpened})
}

func (g *Gadget) put(m FromHost) error {
	select {
	case g.queue <- m:
		return nil
	default:
		return ErrOverrun
	}
}

// Recv waits for what the host sends next. What arrived before the host went is
// still delivered.
func (g *Gadget) Recv(ctx context.Context) (FromHost, error) { return receive(ctx, g.c, g.queue) }

// SendFrame sends one frame of the channel, 1–65700 bytes.
func (g *Gadget) SendFrame(ctx context.Context, frame []byte) error {
	return g.c.writeIf(ctx, typeFrame, frame, g.isOpen)
}

// SendEvent tells the host what everybody may know.
func (g *Gadget) SendEvent(ctx context.Context, e protocol.PEDEvent) error {
	return g.c.writeIf(ctx, typeEvent, e.Encode(), g.isOpen)
}

// isOpen keeps what is meant for one host from the next one's opening exchange.
func (g *Gadget) isOpen() error {
	if !g.open.Load() {
		return ErrNotOpen
	}
	return nil
}

// Done is closed when the host is gone or Close was called.
func (g *Gadget) Done() <-chan struct{} { return g.c.dead }

// Close ends the connection and waits for the reader to be gone. It may be
// called more than once.
func (g *Gadget) Close() error {
	g.c.fail(ErrClosed)
	<-g.done
	return nil
}
