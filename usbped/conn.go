package usbped

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Bounds of the waits.
const (
	// PongTimeout is how long a PED may take to answer a ping.
	PongTimeout = 3 * time.Second
	// WriteTimeout is how long the other side may take to accept a frame, or to
	// give credit for one.
	WriteTimeout = 10 * time.Second
	// CancelTimeout is how long a PED may take to end its dialogue.
	CancelTimeout = 5 * time.Second
	// AnswerTimeout bounds each exchange of the opening.
	AnswerTimeout = 2 * time.Second
	// HandshakeTimeout bounds the opening as a whole on both sides.
	HandshakeTimeout = 5 * time.Second
	// HostTimeout is how long a PED on a cable hears nothing from a host that
	// has pinged it until it takes the host for gone.
	HostTimeout = 10 * time.Second
)

// queueLen is how many messages wait for the host's owner before the PED is
// taken to be out of its mind. A dialogue needs two or three.
const queueLen = 64

// conn is what host and gadget have in common: one death with one cause.
type conn struct {
	close func() error
	dead  chan struct{}

	mu    sync.Mutex
	cause error
}

func newConn(close func() error) *conn { return &conn{close: close, dead: make(chan struct{})} }

// fail ends the connection; only the first cause counts.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	first := c.cause == nil
	if first {
		switch {
		case cause == ErrClosed, errors.Is(cause, ErrUnplugged):
		case errors.Is(cause, ErrMute):
			cause = muteError{cause}
		default:
			cause = fmt.Errorf("%w: %w", ErrUnplugged, cause)
		}
		c.cause = cause
	}
	c.mu.Unlock()
	if first {
		close(c.dead)
		_ = c.close() // the cause is what the caller wants to know
	}
}

// muteError ends a connection as if the PED were unplugged; what it says is the
// truth.
type muteError struct{ error }

func (e muteError) Unwrap() []error { return []error{e.error, ErrUnplugged} }

// err returns why the connection ended, or nil.
func (c *conn) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// within runs an exchange that must be over in time: reads cannot be interrupted
// but by closing the port.
func (c *conn) within(ctx context.Context, d time.Duration, exchange func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, errSilent)
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

// lock takes a lock that waiting for can end.
func (c *conn) lock(ctx context.Context, l chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-c.dead:
		return c.err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
