package pedclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"openped/hsm"
	"openped/internal/logs"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// hold is a PED that a slot has over a line, from ACQUIRED on. It implements
// hsm.FrameConn.
type hold struct {
	*tenure
	line *line

	last    time.Time   // the last PED frame, either way; under tenure.mu
	mayIdle func() bool // nil: no; under tenure.mu
}

var _ held = (*hold)(nil)

func newHold(l *line, ped protocol.Acquired) *hold {
	return &hold{tenure: newTenure(ped), line: l, last: time.Now()}
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

// deliver hands a frame of the PED to Recv.
func (h *hold) deliver(frame []byte) {
	h.touch()
	h.tenure.deliver(frame)
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

func (h *hold) leave() {
	h.line.mu.Lock()
	if h.line.hold == h {
		h.line.hold = nil
	}
	h.line.mu.Unlock()
	h.tenure.leave()
}

// watch says what to call at the end, which may have come, and who is asked
// whether the hold may stay idle.
func (h *hold) watch(mayIdle func() bool, over func(*hsm.Error)) {
	h.mu.Lock()
	h.mayIdle = mayIdle
	h.mu.Unlock()
	h.tenure.watch(over)
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
