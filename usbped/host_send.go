package usbped

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// write sends one frame. If the context or the time runs out while bytes may be
// on their way, the lane is broken and so is the connection. A check is made
// when nobody else can write any more.
func (h *Host) write(ctx context.Context, f rawFrame, check func() error) error {
	if err := h.c.lock(ctx, h.wmu); err != nil {
		return err
	}
	defer func() { <-h.wmu }()
	if err := h.c.err(); err != nil {
		return err
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	f.seq = h.tx
	h.tx++
	h.out = appendFrame(h.out[:0], f)
	return h.send(ctx, h.out)
}

// send is write for bytes, for who holds wmu.
func (h *Host) send(ctx context.Context, b []byte) error {
	h.slow.Reset(WriteTimeout)
	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, func() { h.c.fail(context.Cause(ctx)) })
	}
	err := h.sendPieces(b)
	if !h.slow.Stop() || !stop() {
		// Either it did not get out or the port is closed by now.
		<-h.c.dead
	} else if err != nil {
		h.c.fail(err)
	}
	if err := h.c.err(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return nil
}

var errNotTaken = fmt.Errorf("%w: frame not accepted in time", ErrMute)

// piece is what USB moves at high speed in one packet.
const piece = 512

// sendPieces writes b, with a pause between the pieces for a PED that cannot
// take them as fast as they come.
func (h *Host) sendPieces(b []byte) error {
	for {
		delay, n := time.Duration(h.delay.Load()), len(b)
		if delay > 0 {
			n = min(n, piece)
		}
		if m, err := h.port.Write(b[:n]); err != nil {
			return err
		} else if m != n {
			return io.ErrShortWrite
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
		if err := h.pause(delay); err != nil {
			return err
		}
	}
}

func (h *Host) pause(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-h.c.dead:
		return h.c.err()
	}
}

// SetWriteDelay implements Device.
func (h *Host) SetWriteDelay(d time.Duration) { h.delay.Store(int64(min(max(d, 0), MaxWriteDelay))) }

// Send implements Device. A frame that is empty or over MaxPayload is ErrTooLong.
func (h *Host) Send(ctx context.Context, frame []byte) error {
	if len(frame) == 0 || len(frame) > MaxPayload {
		return ErrTooLong
	}
	if err := h.c.lock(ctx, h.sending); err != nil {
		return err
	}
	defer func() { <-h.sending }()
	h.flow.Lock()
	dialogue := h.cancel
	h.flow.Unlock()
	for begun := false; len(frame) > 0; begun = true {
		n := min(len(frame), h.segment)
		err := h.pay(ctx, dialogue, cost(n))
		if delay := time.Duration(h.delay.Load()); err == nil && begun && delay > 0 {
			err = h.pause(delay)
		}
		if err == nil {
			err = h.write(ctx, rawFrame{typ: typeFrame, more: n < len(frame), payload: frame[:n]}, func() error {
				h.flow.Lock()
				defer h.flow.Unlock()
				return h.maySend(dialogue)
			})
		}
		if err != nil {
			h.flow.Lock()
			h.torn = h.torn || begun && dialogue == h.cancel
			h.flow.Unlock()
			if end := h.c.err(); err == ErrAborted && end != nil {
				return end
			}
			return err
		}
		frame = frame[n:]
	}
	return nil
}

// maySend says whether a segment may go: between CANCEL and its answer, behind
// half a frame, or in another dialogue than its frame began in, it would be
// misunderstood. The caller holds flow.
func (h *Host) maySend(dialogue uint32) error {
	if h.torn || h.canceling || dialogue != h.cancel {
		return ErrAborted
	}
	return nil
}

// pay takes credit, which it waits for.
func (h *Host) pay(ctx context.Context, dialogue, n uint32) error {
	var late <-chan time.Time
	for {
		h.flow.Lock()
		err, enough, flowed := h.maySend(dialogue), h.credit >= n, h.flowed
		if err == nil && enough {
			h.credit -= n
		}
		h.flow.Unlock()
		if err != nil || enough {
			return err
		}
		if late == nil {
			timer := time.NewTimer(WriteTimeout)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-flowed:
		case <-ctx.Done():
			return ctx.Err()
		case <-h.c.dead:
			return h.c.err()
		case <-late:
			h.c.fail(errNoCredit)
			return h.c.err()
		}
	}
}

var errNoCredit = fmt.Errorf("%w: it takes no more frames", ErrMute)

// turn wakes those who wait for credit. The caller holds flow.
func (h *Host) turn() {
	close(h.flowed)
	h.flowed = make(chan struct{})
}

// granted takes credit from the PED: no more than it had taken.
func (h *Host) granted(n uint32) error {
	h.flow.Lock()
	defer h.flow.Unlock()
	if n == 0 || n > h.window-h.credit {
		return ErrCorrupt
	}
	h.credit += n
	h.turn()
	return nil
}

// Cancel implements Device.
func (h *Host) Cancel(ctx context.Context) error {
	if err := h.c.lock(ctx, h.canceler); err != nil {
		return err
	}
	defer func() { <-h.canceler }()
	h.flow.Lock()
	h.cancel++
	h.canceling = true
	token := binary.BigEndian.AppendUint32(nil, h.cancel)
	h.turn()
	h.flow.Unlock()
	if err := h.write(ctx, rawFrame{typ: typeCancel, payload: token}, nil); err != nil {
		h.c.fail(err)
		return err
	}
	late := time.NewTimer(CancelTimeout)
	defer late.Stop()
	for {
		h.flow.Lock()
		waiting, flowed := h.canceling, h.flowed
		h.flow.Unlock()
		if !waiting {
			return nil
		}
		select {
		case <-flowed:
		case <-h.c.dead:
			return h.c.err()
		case <-ctx.Done():
			h.c.fail(errStays)
			return ctx.Err()
		case <-late.C:
			h.c.fail(errStays)
			return h.c.err()
		}
	}
}

var errStays = fmt.Errorf("%w: it does not end its dialogue", ErrMute)

// canceled takes the answer to CANCEL, which stands when the events that were
// sent before it have come, too.
//
//	token       4   of CANCEL
//	events      4   number of the next EVENT
func (h *Host) canceled(payload []byte) error {
	token, due := binary.BigEndian.Uint32(payload), binary.BigEndian.Uint32(payload[4:])
	h.flow.Lock()
	defer h.flow.Unlock()
	if !h.canceling || h.due != nil || token != h.cancel || h.part != nil || due-h.seen > queueLen {
		return ErrCorrupt
	}
	h.due = &due
	h.settle()
	return nil
}

func (h *Host) sawEvent(seq uint32) {
	h.flow.Lock()
	defer h.flow.Unlock()
	h.seen = seq + 1
	h.settle()
}

// settle begins a new dialogue when all of the old one is in: what nobody took
// of it is dropped, and the credit is as at first. The caller holds flow.
func (h *Host) settle() {
	if h.due == nil || *h.due != h.seen {
		return
	}
	h.got.drop(func(m Message) bool { return m.Frame != nil })
	h.canceling, h.due, h.torn, h.credit = false, nil, false, h.window
	h.dialogue++
	h.turn()
}

// pong is the payload of PONG.
//
//	token       4   of PING
//	events      4   number of the next EVENT
type pong struct{ token, events uint32 }

// missed fails if events that the PED has said do not come: nothing else would
// tell that their lane does not work.
func (h *Host) missed(next uint32) error {
	h.flow.Lock()
	seen := h.seen
	h.flow.Unlock()
	switch {
	case !h.lateAt.IsZero() && int32(h.late-seen) <= 0:
		h.lateAt = time.Time{}
	case h.lateAt.IsZero() && int32(next-seen) > 0:
		h.late, h.lateAt = next, time.Now()
	case !h.lateAt.IsZero() && time.Since(h.lateAt) >= PongTimeout:
		h.c.fail(errors.New("events of the PED do not arrive"))
		return h.c.err()
	}
	return nil
}

// Ping implements Device.
func (h *Host) Ping(ctx context.Context) error {
	if err := h.c.lock(ctx, h.pinger); err != nil {
		return err
	}
	defer func() { <-h.pinger }()
	h.ping++
	if err := h.write(ctx, rawFrame{typ: typePing, payload: binary.BigEndian.AppendUint32(nil, h.ping)}, nil); err != nil {
		return err
	}
	late := time.NewTimer(PongTimeout)
	defer late.Stop()
	for {
		select {
		case p := <-h.pongs:
			if p.token == h.ping { // else the late answer to a ping that was given up
				return h.missed(p.events)
			}
		case <-h.c.dead:
			return h.c.err()
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			h.c.fail(errNoPong)
			return h.c.err()
		}
	}
}

var errNoPong = fmt.Errorf("%w: no answer to a ping", ErrMute)
