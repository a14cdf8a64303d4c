package usbped

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of the waits.
const (
	// PongTimeout is how long a PED may take to answer a ping.
	PongTimeout = 3 * time.Second
	// WriteTimeout is how long the other side may take to accept a frame.
	WriteTimeout = 10 * time.Second
	// HandshakeTimeout bounds the opening exchange on both sides.
	HandshakeTimeout = 5 * time.Second
)

// queueLen is how many messages wait for the receiver before the other side is
// taken to be out of its mind. A dialogue needs two or three.
const queueLen = 64

// conn is what host and gadget have in common: numbered frames both ways, one
// death with one cause.
type conn struct {
	rw   io.ReadWriteCloser
	wmu  chan struct{} // held while writing; a channel, so that waiting for it can end
	tx   uint32        // next number to send, under wmu
	rx   uint32        // next number to receive, the reader's own
	dead chan struct{}

	delay atomic.Int64 // nanoseconds between two pieces of a frame, 0: in one piece

	mu    sync.Mutex
	cause error
}

func newConn(rw io.ReadWriteCloser) *conn {
	return &conn{rw: rw, wmu: make(chan struct{}, 1), dead: make(chan struct{})}
}

// fail ends the connection; only the first cause counts.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	first := c.cause == nil
	if first {
		if cause != ErrClosed && !errors.Is(cause, ErrUnplugged) {
			cause = fmt.Errorf("%w: %w", ErrUnplugged, cause)
		}
		c.cause = cause
	}
	c.mu.Unlock()
	if first {
		close(c.dead)
		_ = c.rw.Close() // the cause is what the caller wants to know
	}
}

// err returns why the connection ended, or nil.
func (c *conn) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// write sends one frame. If the context or the time runs out while bytes may be
// on their way, the stream is broken and so is the connection.
func (c *conn) write(ctx context.Context, t frameType, payload []byte) error {
	return c.writeIf(ctx, t, payload, nil)
}

// writeIf is write with a last check under the lock.
func (c *conn) writeIf(ctx context.Context, t frameType, payload []byte, check func() error) error {
	if !t.fits(uint64(len(payload))) {
		return ErrTooLong
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.wmu <- struct{}{}:
	case <-c.dead:
		return c.err()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.wmu }()
	if err := c.err(); err != nil {
		return err
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	if t == typeReset {
		c.tx = 0
	}
	wctx, cancel := context.WithTimeoutCause(ctx, WriteTimeout, errors.New("frame not accepted in time"))
	defer cancel()
	stop := context.AfterFunc(wctx, func() { c.fail(context.Cause(wctx)) })
	err := c.writePieces(appendFrame(rawFrame{t, c.tx, payload}))
	c.tx++
	if !stop() {
		// Either the frame did not get out or the stream is closed by now.
		<-c.dead
	} else if err != nil {
		c.fail(err)
	}
	if err := c.err(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return nil
}

// transfer is the size of a piece: what USB moves at high speed in one packet.
const transfer = 512

// writePieces writes b, with a pause between the pieces for a PED that cannot
// take them as fast as they come.
func (c *conn) writePieces(b []byte) error {
	for {
		delay, n := time.Duration(c.delay.Load()), len(b)
		if delay > 0 {
			n = min(n, transfer)
		}
		if _, err := c.rw.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
		select {
		case <-time.After(delay):
		case <-c.dead:
			return c.err()
		}
	}
}

// read returns the next frame, in order. A RESET restarts the count.
func (c *conn) read() (rawFrame, error) {
	f, err := readFrame(c.rw)
	if err != nil {
		return rawFrame{}, err
	}
	if f.typ == typeReset {
		c.rx = 0
	}
	if f.seq != c.rx {
		return rawFrame{}, ErrCorrupt
	}
	c.rx++
	return f, nil
}

// within runs an exchange that must be over in HandshakeTimeout: reads cannot
// be interrupted but by closing the stream.
func (c *conn) within(ctx context.Context, exchange func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, HandshakeTimeout, errSilent)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.fail(context.Cause(ctx)) })
	err := exchange(ctx)
	if !stop() {
		<-c.dead
		err = context.Cause(ctx)
	}
	if err != nil {
		c.fail(err)
	}
	return err
}

var errSilent = errors.New("no answer in time")
