package usbped

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"openped/protocol"
)

// Host is the host's end of the framing: a Device over a stream.
type Host struct {
	c      *conn
	info   Info
	queue  chan Message
	pingMu chan struct{}
	token  uint32 // under pingMu
	pongs  chan uint32
	done   chan struct{} // the reader is gone
}

var _ Device = (*Host)(nil)

// NewHost opens the PED at the other end of rw, which it owns from here on: on
// an error rw is closed. It returns within HandshakeTimeout, or when the
// context ends. The error wraps ErrInUse, ErrNotPED, ErrUnplugged, or is the
// context's.
func NewHost(ctx context.Context, rw io.ReadWriteCloser) (*Host, error) {
	h := &Host{c: newConn(rw), queue: make(chan Message, queueLen), pingMu: make(chan struct{}, 1),
		pongs: make(chan uint32, 1), done: make(chan struct{})}
	if err := h.c.within(ctx, h.handshake); err != nil {
		if cerr := ctx.Err(); cerr != nil {
			return nil, cerr
		}
		return nil, openError(err)
	}
	go h.readLoop()
	return h, nil
}

// openError tells what is not a PED from one that went away.
func openError(err error) error {
	switch {
	case errors.Is(err, ErrInUse), errors.Is(err, ErrNotPED):
		return err
	case errors.Is(err, ErrCorrupt), errors.Is(err, errSilent):
		return fmt.Errorf("%w: %w", ErrNotPED, err)
	case errors.Is(err, ErrUnplugged):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnplugged, err)
}

// handshake resets the PED and asks who it is. What a PED had still to tell an
// earlier host comes before its answer to the reset, and is dropped.
func (h *Host) handshake(ctx context.Context) error {
	if err := h.c.write(ctx, typeReset, nil); err != nil {
		return err
	}
	for stale := 0; ; stale++ {
		f, err := readFrame(h.c.rw)
		if err != nil {
			return err
		}
		if f.typ == typeReset && f.seq == 0 {
			break
		}
		if stale == queueLen {
			return ErrCorrupt
		}
	}
	h.c.rx = 1
	if err := h.c.write(ctx, typeInfoRequest, []byte{version, version}); err != nil {
		return err
	}
	f, err := h.c.read()
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
	h.info = p.info
	return nil
}

// readLoop ends when the stream does; Close sees to that.
func (h *Host) readLoop() {
	defer close(h.done)
	for {
		f, err := h.c.read()
		if err == nil {
			err = h.take(f)
		}
		if err != nil {
			h.c.fail(err)
			return
		}
	}
}

func (h *Host) take(f rawFrame) error {
	m := Message{}
	switch f.typ {
	case typeFrame:
		m.Frame = f.payload
	case typeEvent:
		m.Event = new(protocol.PEDEvent)
		if err := m.Event.Decode(f.payload); err != nil {
			return ErrCorrupt
		}
	case typePong:
		select { // a pong nobody waits for is forgotten
		case h.pongs <- binary.BigEndian.Uint32(f.payload):
		default:
		}
		return nil
	default:
		return ErrCorrupt
	}
	select {
	case h.queue <- m:
		return nil
	default:
		return ErrOverrun
	}
}

// Info implements Device.
func (h *Host) Info() Info { return h.info }

// Send implements Device. A frame that is empty or over MaxPayload is ErrTooLong.
func (h *Host) Send(ctx context.Context, frame []byte) error {
	return h.c.write(ctx, typeFrame, frame)
}

// Recv implements Device.
func (h *Host) Recv(ctx context.Context) (Message, error) { return receive(ctx, h.c, h.queue) }

// Cancel implements Device.
func (h *Host) Cancel(ctx context.Context) error { return h.c.write(ctx, typeCancel, nil) }

// Ping implements Device.
func (h *Host) Ping(ctx context.Context) error {
	select {
	case h.pingMu <- struct{}{}:
	case <-h.c.dead:
		return h.c.err()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.pingMu }()
	h.token++
	timer := time.NewTimer(PongTimeout)
	defer timer.Stop()
	if err := h.c.write(ctx, typePing, binary.BigEndian.AppendUint32(nil, h.token)); err != nil {
		return err
	}
	for {
		select {
		case t := <-h.pongs:
			if t == h.token { // else the late answer to a ping that was given up
				return nil
			}
		case <-h.c.dead:
			return h.c.err()
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			h.c.fail(errors.New("no answer to a ping"))
			return h.c.err()
		}
	}
}

// SetWriteDelay implements Device.
func (h *Host) SetWriteDelay(d time.Duration) { h.c.delay.Store(int64(min(max(d, 0), MaxWriteDelay))) }

// Close implements Device. It waits for the reader to be gone.
func (h *Host) Close() error {
	h.c.fail(ErrClosed)
	<-h.done
	return nil
}

// receive takes the next message; what arrived before the end comes first.
func receive[T any](ctx context.Context, c *conn, queue <-chan T) (T, error) {
	var zero T
	select {
	case m := <-queue:
		return m, nil
	default:
	}
	select {
	case m := <-queue:
		return m, nil
	case <-ctx.Done():
		return zero, ctx.Err()
	case <-c.dead:
		select {
		case m := <-queue:
			return m, nil
		default:
			return zero, c.err()
		}
	}
}
