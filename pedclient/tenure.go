package pedclient

import (
	"context"
	"errors"
	"net"
	"sync"

	"openped/hsm"
	"openped/protocol"
)

// held is a PED that a slot has: over a link (*hold), or on a cable of this host
// (*cable).
type held interface {
	hsm.FrameConn
	Cause() *hsm.Error
	State() *protocol.PEDEvent
	claims() protocol.Acquired
}

// tenure is the time that a slot has a PED. It carries the frames of the PED to
// the slot. Its end has one cause, an *hsm.Error that tells people what to do.
type tenure struct {
	ped  protocol.Acquired // what the PED is said to be, outside the channel
	in   chan []byte
	gone chan struct{} // closed when it is over

	mu       sync.Mutex
	cause    *hsm.Error
	state    *protocol.PEDEvent
	whenOver func(*hsm.Error) // called once
}

// errGivenBack is in the cause of a tenure that this side ended on purpose.
var errGivenBack = errors.New("given back")

func newTenure(ped protocol.Acquired) *tenure {
	return &tenure{ped: ped, in: make(chan []byte), gone: make(chan struct{})}
}

// Recv waits for the next frame of the channel. What arrived before the end
// still comes.
func (t *tenure) Recv(ctx context.Context) ([]byte, error) {
	select {
	case f := <-t.in:
		return f, nil
	case <-t.gone:
		return nil, t.err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// deliver hands a frame of the PED to Recv.
func (t *tenure) deliver(frame []byte) {
	select {
	case t.in <- frame:
	case <-t.gone:
	}
}

// decide makes cause the one that counts, and reports whether it is the first.
func (t *tenure) decide(cause *hsm.Error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cause != nil {
		return false
	}
	t.cause = cause
	return true
}

// leave is the end, after decide.
func (t *tenure) leave() {
	t.mu.Lock()
	f := t.whenOver
	close(t.gone)
	t.mu.Unlock()
	if f != nil {
		f(t.Cause())
	}
}

// watch says what to call at the end, which may have come.
func (t *tenure) watch(over func(*hsm.Error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.gone:
		go over(t.cause)
	default:
		t.whenOver = over
	}
}

// Cause returns why it has ended, or nil while it lasts.
func (t *tenure) Cause() *hsm.Error { t.mu.Lock(); defer t.mu.Unlock(); return t.cause }

// State returns the last event of the PED, or nil.
func (t *tenure) State() *protocol.PEDEvent { t.mu.Lock(); defer t.mu.Unlock(); return t.state }

func (t *tenure) setState(e protocol.PEDEvent) { t.mu.Lock(); t.state = &e; t.mu.Unlock() }

func (t *tenure) claims() protocol.Acquired { return t.ped }

func (t *tenure) over() bool {
	select {
	case <-t.gone:
		return true
	default:
		return false
	}
}

func (t *tenure) err() error {
	if c := t.Cause(); c != nil {
		return c
	}
	return net.ErrClosed
}
