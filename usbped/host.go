package usbped

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"openped/protocol"
)

// Host is the host's end of the framing: a Device on a cable or a stream.
type Host struct {
	c      *conn
	port   HostPort
	stream bool // one lane for all
	bulk   *lane
	events *lane
	info   Info
	got    *queue[Message]
	part   []byte // of a frame that is not complete yet, the reader's own

	wmu   chan struct{} // held while writing; a channel, so that waiting for it can end
	tx    uint32        // next number to send, under wmu
	out   []byte        // the frame being sent, under wmu
	slow  *time.Timer   // ends a write that takes too long, under wmu
	delay atomic.Int64  // nanoseconds between two pieces of a frame, 0: in one piece

	sending   chan struct{} // held by whoever sends a frame of the channel
	segment   int
	window    uint32
	flow      sync.Mutex
	credit    uint32        // under flow
	torn      bool          // half a frame was sent; under flow
	canceling bool          // CANCEL is not answered yet; under flow
	flowed    chan struct{} // closed and made anew when these change; under flow

	canceler chan struct{} // held by whoever cancels
	cancel   uint32        // token of the last CANCEL, under flow
	dialogue uint32        // CANCELs answered, under flow
	seen     uint32        // number of the next EVENT, under flow
	due      *uint32       // what seen must be for CANCEL to be answered, under flow
	pinger   chan struct{} // held by whoever pings
	ping     uint32        // token of the last PING, under pinger
	late     uint32        // what seen should be since lateAt, under pinger
	lateAt   time.Time     // zero if nothing is late, under pinger
	pongs    chan pong

	readers sync.WaitGroup
}

var _ Device = (*Host)(nil)

// NewHost opens the PED at the other end of rw, which it owns from here on: on
// an error rw is closed. It returns within HandshakeTimeout, or when the
// context ends. The error wraps ErrInUse, ErrNotPED, ErrUnplugged, or is the
// context's.
func NewHost(ctx context.Context, rw io.ReadWriteCloser) (*Host, error) {
	return newHost(ctx, streamPort{rw}, true)
}

// NewPortHost opens the PED at the other end of port, which it owns from here
// on: on an error the port is closed. It is as NewHost, but a PED that says
// nothing is ErrMute.
func NewPortHost(ctx context.Context, port HostPort) (*Host, error) {
	return newHost(ctx, port, false)
}

func newHost(ctx context.Context, port HostPort, stream bool) (*Host, error) {
	h := &Host{
		c: newConn(port.Close), port: port, stream: stream, got: newQueue[Message](),
		bulk: bulkLane(port.Read), events: eventLane(port.ReadEvent),
		wmu: make(chan struct{}, 1), sending: make(chan struct{}, 1), flowed: make(chan struct{}),
		canceler: make(chan struct{}, 1), pinger: make(chan struct{}, 1), pongs: make(chan pong, 1),
	}
	h.slow = time.AfterFunc(WriteTimeout, func() { h.c.fail(errNotTaken) })
	var token resetToken
	for token == (resetToken{}) {
		rand.Read(token[:]) // never fails
	}
	err := h.c.within(ctx, AnswerTimeout, func(ctx context.Context) error { return h.reset(ctx, token) })
	if err == nil {
		err = h.c.within(ctx, AnswerTimeout, h.ask)
	}
	if err != nil {
		if cerr := ctx.Err(); cerr != nil {
			return nil, cerr
		}
		return nil, h.openError(err)
	}
	h.cancel, h.seen = token.cancels(), token.events()
	h.bulk.event, h.events.event = token.events(), token.events()
	if stream {
		h.bulk.events = true
	} else {
		h.readers.Go(func() {
			err := h.events.seekEvent(token)
			h.read(h.events, err)
		})
	}
	h.readers.Go(func() { h.read(h.bulk, nil) })
	return h, nil
}

// openError tells what is not a PED from one that went away or is mute.
func (h *Host) openError(err error) error {
	switch {
	case errors.Is(err, ErrInUse), errors.Is(err, ErrNotPED):
		return err
	case errors.Is(err, errSilent) && !(h.stream && h.bulk.heard):
		return ErrMute
	case errors.Is(err, ErrCorrupt), errors.Is(err, errSilent):
		return fmt.Errorf("%w: %w", ErrNotPED, err)
	case errors.Is(err, ErrUnplugged):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnplugged, err)
}

// reset makes both sides begin anew. What a PED had still to tell an earlier
// host comes before its answer, and is dropped.
func (h *Host) reset(ctx context.Context, token resetToken) error {
	sent := make(chan error, 1)
	// A PED may have to get rid of that first, before it reads again.
	go func() { sent <- h.send(ctx, appendFrame(zeros[:flush:flush], token.frame())) }()
	err := h.bulk.seekAnswer(token)
	if err != nil {
		h.c.fail(err)
	}
	if serr := <-sent; err == nil {
		err = serr
	}
	if err == nil {
		_, err = h.bulk.next()
	}
	h.tx = 1
	return err
}

// ask asks the PED who it is and what it takes.
func (h *Host) ask(ctx context.Context) error {
	if err := h.write(ctx, rawFrame{typ: typeInfoRequest, payload: infoRequest{version, version, MaxSegment}.encode()}, nil); err != nil {
		return err
	}
	f, err := h.bulk.next()
	if err != nil {
		return err
	}
	if f.typ != typeInfo {
		return ErrCorrupt
	}
	p, err := decodeInfo(f.payload)
	switch {
	case err != nil:
		return ErrCorrupt
	case p.version != version:
		return fmt.Errorf("%w: no common version of the USB framing", ErrNotPED)
	case p.busy:
		return ErrInUse
	}
	h.info, h.segment, h.window, h.credit = p.info, int(p.segment), p.window, p.window
	return nil
}

// read takes what comes on a lane until that ends; Close sees to it.
func (h *Host) read(l *lane, err error) {
	for err == nil {
		var f rawFrame
		if f, err = l.next(); err == nil {
			err = h.take(f)
		}
	}
	h.c.fail(err)
}

func (h *Host) take(f rawFrame) error {
	switch f.typ {
	case typeFrame:
		return h.assemble(f)
	case typeEvent:
		m := Message{Event: new(protocol.PEDEvent)}
		if err := m.Event.Decode(f.payload); err != nil {
			return ErrCorrupt
		}
		if err := h.put(m); err != nil {
			return err
		}
		h.sawEvent(f.seq)
		return nil
	case typeCredit:
		return h.granted(binary.BigEndian.Uint32(f.payload))
	case typeCanceled:
		return h.canceled(f.payload)
	case typePong:
		select { // one that nobody waited for must not be in the way
		case <-h.pongs:
		default:
		}
		h.pongs <- pong{binary.BigEndian.Uint32(f.payload), binary.BigEndian.Uint32(f.payload[4:])}
		return nil
	case typeReset:
		return errLost
	}
	return ErrCorrupt
}

// errLost is a PED's own word that it lost the thread.
var errLost = errors.New("the PED was sent something it cannot follow")

// assemble makes whole frames of the channel of their segments.
func (h *Host) assemble(f rawFrame) error {
	if len(f.payload) > h.segment || f.more && len(f.payload) < h.segment || len(h.part)+len(f.payload) > MaxPayload {
		return ErrCorrupt
	}
	if f.more || h.part != nil {
		f.payload = append(h.part, f.payload...)
	}
	if f.more {
		h.part = f.payload
		return nil
	}
	h.part = nil
	return h.put(Message{Frame: f.payload})
}

func (h *Host) put(m Message) error {
	h.flow.Lock()
	m.Dialogue = h.dialogue
	h.flow.Unlock()
	if h.got.put(m) > queueLen {
		return ErrOverrun
	}
	return nil
}

// Info implements Device.
func (h *Host) Info() Info { return h.info }

// Recv implements Device.
func (h *Host) Recv(ctx context.Context) (Message, error) { return h.got.next(ctx, h.c) }

// Close implements Device. It waits for the readers to be gone.
func (h *Host) Close() error {
	h.c.fail(ErrClosed)
	h.readers.Wait()
	return nil
}
