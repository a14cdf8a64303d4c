package usbped

import (
	"context"
	"errors"
)

// HostPort is a PED's three endpoints as their host has them: claimed, with no
// halt pending. A goroutine may be in Read, one in ReadEvent and one in Write at
// once. There are no time-outs in a port: the framing closes it when something
// takes too long. Every error ends the connection.
type HostPort interface {
	// Read waits for what the next transfer of bulk IN brings, one byte at least.
	// The buffer is a multiple of every packet size.
	Read(p []byte) (int, error)
	// Write sends p in one transfer of bulk OUT.
	Write(p []byte) (int, error)
	// ReadEvent is Read for interrupt IN.
	ReadEvent(p []byte) (int, error)
	// Reset resets the port that the PED is plugged in to, in bounded time. Only
	// Close is of use after it.
	Reset() error
	// Close ends every call under way and gives the PED up, in bounded time. It
	// may be called at any time, and more than once.
	Close() error
}

// GadgetPort is the same cable at the PED's end, from being configured by a host
// until it is unplugged. A goroutine may be in each of Read, Write and
// WriteEvent at once.
type GadgetPort interface {
	// Read waits for what comes on bulk OUT, one byte at least: a packet, or a
	// transfer.
	Read(p []byte) (int, error)
	// Write offers p in one transfer of bulk IN and returns when the host has
	// taken it, however long that takes.
	Write(p []byte) (int, error)
	// WriteEvent is Write for interrupt IN.
	WriteEvent(p []byte) (int, error)
	// Close ends every call under way. It may be called at any time, and more
	// than once.
	Close() error
}

// NewPortHost opens the PED at the other end of port, which it owns from here
// on: on an error the port is closed. Otherwise it is as NewHost.
func NewPortHost(ctx context.Context, port HostPort) (*Host, error) { return NewHost(ctx, port) }

// OpenPort opens a PED that dial gets at. One that is mute gets a reset of its
// port, and another chance.
func OpenPort(ctx context.Context, dial func(context.Context) (HostPort, error)) (*Host, error) {
	h, err := openPort(ctx, dial)
	if errors.Is(err, ErrMute) && ctx.Err() == nil {
		return openPort(ctx, dial)
	}
	return h, err
}

func openPort(ctx context.Context, dial func(context.Context) (HostPort, error)) (*Host, error) {
	port, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	h, err := NewPortHost(ctx, port)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// NewPortGadget serves host after host on a cable, which it owns from here on,
// until a call of port fails.
func NewPortGadget(port GadgetPort, info Info) *Gadget { return NewGadget(port, info) }
