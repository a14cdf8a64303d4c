package usbped

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Resetter is an Opener that can reset the port its PED is plugged in to. That
// wakes some PEDs that are mute.
type Resetter interface {
	Opener
	// Reset resets the port in bounded time. Nobody has the PED open then.
	Reset(ctx context.Context) error
}

// Lister is an Opener that can tell what is plugged in without opening it.
type Lister interface {
	Opener
	// Serials returns the serial numbers of the PEDs that it would choose from,
	// or false where the system does not tell.
	Serials() ([]string, bool)
}

// How long a PED may be away after a reset of its port, and how often it is
// looked for then.
const (
	resetAway = 2 * time.Second
	resetLook = 100 * time.Millisecond
)

// OpenReset opens a PED. One that is mute gets a reset of its port, and another
// chance.
func OpenReset(ctx context.Context, o Opener) (Device, error) {
	dev, err := o.Open(ctx)
	r, ok := o.(Resetter)
	if !ok || !errors.Is(err, ErrMute) || ctx.Err() != nil {
		return dev, err
	}
	if err := r.Reset(ctx); err != nil {
		return nil, fmt.Errorf("%w; its port could not be reset: %w", ErrMute, err)
	}
	by := time.Now().Add(resetAway)
	for {
		dev, err = o.Open(ctx)
		away := errors.Is(err, ErrNoDevice) || errors.Is(err, ErrUnplugged)
		if !away || time.Now().After(by) {
			return dev, err
		}
		select {
		case <-time.After(resetLook):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
