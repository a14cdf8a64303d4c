package libusb

import (
	"context"
	"fmt"
	"sync"
	"time"

	"openped/usbped"
)

// maxHung is how many calls into libusb may hang at once. No PED is opened while
// as many do: an open PED, or one that is being opened, can leave one behind.
const maxHung = 3

// calls makes calls that may never return.
type calls struct {
	mu   sync.Mutex
	hung int // left behind, and not back yet
}

// process counts for all openers: there is one libusb.
var process = new(calls)

// room returns an error while too many calls hang.
func (c *calls) room() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hung >= maxHung {
		return &hungError{hung: c.hung}
	}
	return nil
}

// do calls f in a goroutine of its own and waits for it, but not longer than d
// and ctx. A call that is left behind calls late when it returns, and then nobody
// else may touch what f uses: the error is a hungError. A panic of f is an error.
func (c *calls) do(ctx context.Context, d time.Duration, what string, f func() error, late func()) error {
	var left bool // under c.mu
	done := make(chan error, 1)
	go func() {
		err := safely(f)
		c.mu.Lock()
		done <- err
		behind := left
		c.mu.Unlock()
		if !behind {
			return
		}
		if late != nil {
			_ = safely(func() error { late(); return nil }) // nobody is there to be told
		}
		c.mu.Lock()
		c.hung--
		c.mu.Unlock()
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case err := <-done: // just now
		return err
	default:
	}
	left = true
	c.hung++
	return &hungError{what: what, hung: c.hung, ctx: ctx.Err()}
}

// safely makes an error of a panic: gousb trusts what devices say of themselves.
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: gousb cannot read its descriptors (%v)", usbped.ErrNotPED, r)
		}
	}()
	return f()
}

// hungError says that a call was left behind, or that too many were to make one.
type hungError struct {
	what string // the call; "" for none
	hung int
	ctx  error // why nobody waits for it any longer, if that is the caller's doing
}

func (e *hungError) Error() string {
	switch {
	case e.ctx != nil:
		return e.ctx.Error()
	case e.what == "":
		return fmt.Sprintf("PED does not answer: %d calls of libusb hang, none is made any more", e.hung)
	}
	return fmt.Sprintf("PED does not answer: libusb hangs in %q (calls that hang: %d)", e.what, e.hung)
}

// Unwrap returns the context's error, or usbped.ErrMute.
func (e *hungError) Unwrap() error {
	if e.ctx != nil {
		return e.ctx
	}
	return usbped.ErrMute
}

// Hint returns the remedy.
func (e *hungError) Hint() string {
	return "unplug the PED and plug it in again; if that does not help, restart this program"
}
