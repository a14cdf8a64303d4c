package pedclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"openped/hsm"
	"openped/internal/logs"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// hold is a PED that a slot has, from ACQUIRED on: the frames of the channel
// over a line. It implements hsm.FrameConn. Its end has one cause, an *hsm.Error
// that tells people what to do.
type hold struct {
	line *line
	ped  protocol.Acquired
	in   chan []byte
	gone chan struct{} // closed when it is over

	mu       sync.Mutex
	cause    *hsm.Error
	state    *protocol.PEDEvent
	last     time.Time        // the last PED frame, either way
	mayIdle  func() bool      // nil: no
	whenOver func(*hsm.Error) // called once
}

// errGivenBack is in the cause of a hold that this side ended on purpose.
var errGivenBack = errors.New("given back")

var _ hsm.FrameConn = (*hold)(nil)

func newHold(l *line, ped protocol.Acquired) *hold {
	return &hold{line: l, ped: ped, in: make(chan []byte), gone: make(chan struct{}), last: time.Now()}
}

// Send writes one frame of the channel.
func (h *hold) Send(ctx context.Context, frame []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.over() {
		return h.err()
	}
	h.touch()
	h.line.log.Log(ctx, logs.LevelTrace, "frame to PED", "bytes", len(frame))
	return h.line.write(protocol.PEDFrame{Bytes: frame})
}

// Recv waits for the next frame of the channel. What arrived before the end
// still comes.
func (h *hold) Recv(ctx context.Context) ([]byte, error) {
	select {
	case f := <-h.in:
		return f, nil
	case <-h.gone:
		return nil, h.err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// deliver hands a frame of the PED to Recv.
func (h *hold) deliver(frame []byte) {
	h.touch()
	select {
	case h.in <- frame:
	case <-h.gone:
	}
}

// Close gives the PED back.
func (h *hold) Close() error {
	h.giveBack(unplugged("the remote PED was disconnected", hintConnect, errGivenBack))
	return nil
}

// giveBack sends RELEASE before anybody else can ask for the PED over the line.
func (h *hold) giveBack(cause *hsm.Error) {
	if !h.decide(cause) {
		return
	}
	_ = h.line.writeIn(protocol.Release{}, min(time.Second, h.line.clock.get().Write))
	h.leave()
	if !h.line.parks {
		h.line.end(cause)
	}
}

// end is the end of the line, or of the hold alone.
func (h *hold) end(cause *hsm.Error) {
	if h.decide(cause) {
		h.leave()
	}
}

// decide makes cause the one that counts, and reports whether it is the first.
func (h *hold) decide(cause *hsm.Error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause != nil {
		return false
	}
	h.cause = cause
	return true
}

func (h *hold) leave() {
	h.line.mu.Lock()
	if h.line.hold == h {
		h.line.hold = nil
	}
	h.line.mu.Unlock()
	h.mu.Lock()
	f := h.whenOver
	close(h.gone)
	h.mu.Unlock()
	if f != nil {
		f(h.Cause())
	}
}

// watch says what to call at the end, which may have come, and who is asked
// whether the hold may stay idle.
func (h *hold) watch(mayIdle func() bool, over func(*hsm.Error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mayIdle = mayIdle
	select {
	case <-h.gone:
		go over(h.cause)
	default:
		h.whenOver = over
	}
}

// Cause returns why the hold has ended, or nil while it lasts.
func (h *hold) Cause() *hsm.Error { h.mu.Lock(); defer h.mu.Unlock(); return h.cause }

// State returns the last event of the PED, or nil.
func (h *hold) State() *protocol.PEDEvent { h.mu.Lock(); defer h.mu.Unlock(); return h.state }

func (h *hold) setState(e protocol.PEDEvent) { h.mu.Lock(); h.state = &e; h.mu.Unlock() }

func (h *hold) over() bool {
	select {
	case <-h.gone:
		return true
	default:
		return false
	}
}

func (h *hold) err() error {
	if c := h.Cause(); c != nil {
		return c
	}
	return net.ErrClosed
}

func (h *hold) touch() { h.mu.Lock(); h.last = time.Now(); h.mu.Unlock() }

func (h *hold) silent() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last)
}

// idle reports whether the idle time-out is over.
func (h *hold) idle(t Timers) bool {
	if t.Idle <= 0 || h.silent() < t.Idle {
		return false
	}
	h.mu.Lock()
	f := h.mayIdle
	h.mu.Unlock()
	return f == nil || !f()
}

func (h *hold) idleError() *hsm.Error {
	return &hsm.Error{Code: hsmapi.CKR_PED_UNPLUGGED, Hint: hintConnect, Err: errIdle,
		Msg: fmt.Sprintf("the remote PED session ended after %d s idle", int(h.silent().Round(time.Second)/time.Second))}
}

// errIdle is in the cause of a hold that nobody used.
var errIdle = errors.New("idle")
