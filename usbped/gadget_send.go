package usbped

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"openped/protocol"
)

// outbox is what a gadget has to say. One goroutine of its own writes it: a
// write to a host that does not read may last until the next host comes.
type outbox struct {
	wake, wakeEvents chan struct{} // each has one while there may be something

	tx    uint32 // number of the next frame
	event uint32 // number of the next event
	// What the framing has to say itself goes first: at most one of each.
	token *resetToken
	info  []byte
	last  bool // hang up after INFO
	said  bool // INFO was
	grant uint32
	pong  []byte

	queued []*outgoing
	events []rawFrame // on a cable
	ending *outgoing  // its last segment is being written
}

// outgoing is a frame of the channel, an EVENT or CANCELED on its way.
type outgoing struct {
	typ  frameType
	left []byte     // of its payload
	done chan error // has one when it is sent or dropped
}

// nextEvent is the number of the next EVENT that is not queued yet.
func (o *outbox) nextEvent() uint32 {
	n := o.event
	for _, m := range o.queued {
		if m.typ == typeEvent {
			n++
		}
	}
	return n
}

func (o *outbox) wakeUp() { wake(o.wake) }

// reset makes RESET the first that is said.
func (o *outbox) reset(t resetToken) {
	o.clear()
	o.token, o.tx, o.event = &t, 0, t.events()
	o.wakeUp()
}

// clear drops all that was to be said.
func (o *outbox) clear() {
	for _, m := range o.queued {
		m.end(ErrNotOpen)
	}
	if o.ending != nil {
		o.ending.end(ErrNotOpen)
	}
	o.token, o.info, o.grant, o.pong, o.queued, o.events, o.ending = nil, nil, 0, nil, nil, nil, nil
}

func (m *outgoing) end(err error) {
	select {
	case m.done <- err:
	default: // it had ended
	}
}

// next takes the next frame to be written; the one before it is.
func (o *outbox) next(segment int) (f rawFrame, ok bool) {
	if o.ending != nil {
		o.ending.end(nil)
		o.ending = nil
	}
	switch {
	case o.token != nil:
		f, o.token = o.token.frame(), nil
	case o.info != nil:
		f, o.info = rawFrame{typ: typeInfo, payload: o.info}, nil
	case o.grant > 0:
		f, o.grant = rawFrame{typ: typeCredit, payload: binary.BigEndian.AppendUint32(nil, o.grant)}, 0
	case o.pong != nil:
		f, o.pong = rawFrame{typ: typePong, payload: binary.BigEndian.AppendUint32(o.pong, o.nextEvent())}, nil
	case len(o.queued) > 0:
		m := o.queued[0]
		n := min(len(m.left), segment)
		f.typ, f.payload, f.more = m.typ, m.left[:n], n < len(m.left)
		if m.left = m.left[n:]; !f.more {
			o.queued, o.ending = o.queued[1:], m
		}
	default:
		return rawFrame{}, false
	}
	count := &o.tx
	if f.typ == typeEvent {
		count = &o.event
	}
	f.seq = *count
	*count++
	return f, true
}

func (g *Gadget) writeLoop() {
	var b []byte
	w := g.writer(g.port.Write)
	defer w.late.Stop()
	for {
		g.mu.Lock()
		f, ok := g.out.next(g.segment)
		era, last := g.era, g.out.last
		g.mu.Unlock()
		if !ok {
			select {
			case <-g.out.wake:
				continue
			case <-g.c.dead:
				return
			}
		}
		b = appendFrame(b[:0], f)
		err := w.write(era, b)
		if err == nil && last && f.typ == typeInfo {
			g.out.said = true
			err = ErrClosed
		}
		if err != nil {
			g.c.fail(err)
			return
		}
	}
}

// eventLoop writes the events of a cable.
func (g *Gadget) eventLoop() {
	var b []byte
	w := g.writer(g.port.WriteEvent)
	defer w.late.Stop()
	for {
		g.mu.Lock()
		var f rawFrame
		some, era := len(g.out.events) > 0, g.era
		if some {
			f, g.out.events = g.out.events[0], g.out.events[1:]
		}
		g.mu.Unlock()
		if !some {
			select {
			case <-g.out.wakeEvents:
				continue
			case <-g.c.dead:
				return
			}
		}
		b = appendFrame(b[:0], f)
		if err := w.write(era, b); err != nil {
			g.c.fail(err)
			return
		}
	}
}

// writer writes to one lane. A host that does not take a frame in time is gone;
// but the call lasts until another host does.
type writer struct {
	to   func([]byte) (int, error)
	late *time.Timer
	era  atomic.Uint32
}

func (g *Gadget) writer(to func([]byte) (int, error)) *writer {
	w := &writer{to: to}
	w.late = time.AfterFunc(WriteTimeout, func() {
		if g.stream {
			g.c.fail(errNotRead)
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.era == w.era.Load() {
			g.loseLocked()
		}
	})
	w.late.Stop()
	return w
}

func (w *writer) write(era uint32, b []byte) error {
	w.era.Store(era)
	w.late.Reset(WriteTimeout)
	n, err := w.to(b)
	w.late.Stop()
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// SendFrame sends one frame of the channel, 1–65700 bytes, which nobody may
// change any more, and returns when the host has taken it. If the context ends
// earlier, it may still be sent.
func (g *Gadget) SendFrame(ctx context.Context, frame []byte) error {
	if len(frame) == 0 || len(frame) > MaxPayload {
		return ErrTooLong
	}
	m := &outgoing{typ: typeFrame, left: frame, done: make(chan error, 1)}
	if err := g.say(ctx, m); err != nil {
		return err
	}
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-g.c.dead:
		return g.c.err()
	}
}

// SendEvent tells the host what everybody may know. It does not wait until the
// host knows.
func (g *Gadget) SendEvent(ctx context.Context, e protocol.PEDEvent) error {
	return g.say(ctx, &outgoing{typ: typeEvent, left: e.Encode(), done: make(chan error, 1)})
}

// SendCanceled answers the HostCancel with this token, when all that was sent
// before is on its way. An answer that is too late is dropped.
func (g *Gadget) SendCanceled(ctx context.Context, token uint32) error {
	m := &outgoing{typ: typeCanceled, left: binary.BigEndian.AppendUint32(nil, token), done: make(chan error, 1)}
	return g.say(ctx, m)
}

// say queues what is to be sent.
func (g *Gadget) say(ctx context.Context, m *outgoing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := g.c.err(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !g.open:
		return ErrNotOpen
	case m.typ == typeCanceled:
		if !g.canceling || binary.BigEndian.Uint32(m.left) != g.cancel {
			return nil
		}
		g.canceling = false
		m.left = binary.BigEndian.AppendUint32(m.left, g.out.nextEvent())
	case m.typ == typeEvent && !g.stream:
		if len(g.out.events) == queueLen {
			g.loseLocked()
			return ErrOverrun
		}
		g.out.events = append(g.out.events, rawFrame{typ: typeEvent, seq: g.out.event, payload: m.left})
		g.out.event++
		wake(g.out.wakeEvents)
		return nil
	}
	if len(g.out.queued) == queueLen {
		go g.lose(ErrOverrun)
		return ErrOverrun
	}
	g.out.queued = append(g.out.queued, m)
	g.out.wakeUp()
	return nil
}

var errNotRead = errors.New("frame not accepted in time")
