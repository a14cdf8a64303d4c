package pedserver

import (
	"context"
	"sync"
	"time"

	"openped/usbped"
)

// calls makes calls to the device, which is to keep its bounds and may not: each
// in a goroutine of its own that can be left behind.
type calls struct {
	mu   sync.Mutex
	hung int // left behind, and not back yet
}

// maxHung is how many calls may hang for the PED to be opened again. One that is
// open has few calls under way.
const maxHung = 3

// obey is how long a call may take to return once it has been told to.
const obey = 500 * time.Millisecond

// errHung says that a call did not return.
var errHung error = hungError{}

type hungError struct{}

func (hungError) Error() string { return "PED does not answer: a call to it hangs" }
func (hungError) Unwrap() error { return usbped.ErrMute }

// Hint returns the remedy.
func (hungError) Hint() string {
	return "unplug the PED and plug it in again; if that does not help, restart pedserver"
}

// do makes a call that should end with its context. One that does not is left
// behind with errHung; when it returns after all, late is called, if there is one.
func (c *calls) do(ctx context.Context, call func(context.Context) error, late func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- call(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	patience := time.NewTimer(obey)
	defer patience.Stop()
	select {
	case err := <-done:
		return err
	case <-patience.C:
	}
	c.count(1)
	go func() {
		<-done
		if late != nil {
			late()
		}
		c.count(-1)
	}()
	return errHung
}

// within is do with a time-out.
func (c *calls) within(ctx context.Context, d time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return c.do(ctx, call, nil)
}

func (c *calls) count(n int) { c.mu.Lock(); c.hung += n; c.mu.Unlock() }

// now returns how many calls hang.
func (c *calls) now() int { c.mu.Lock(); defer c.mu.Unlock(); return c.hung }
