package libusb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"openped/usbped"
)

// port is a claimed PED.
type port struct {
	calls *calls
	s     *session

	ctx    context.Context // of all transfers
	hangUp context.CancelFunc
	use    sync.RWMutex // read-locked by who is in a transfer

	bulk, event rest

	mu    sync.Mutex // held while ending
	ended bool       // or the session is with a call that hangs
}

// rest is what a reader had no room for.
type rest struct{ buf, left []byte }

var _ usbped.HostPort = (*port)(nil)

// newPort takes over a session with a claimed PED.
func newPort(c *calls, s *session) *port {
	p := &port{calls: c, s: s}
	p.ctx, p.hangUp = context.WithCancel(context.Background())
	return p
}

// Read implements usbped.HostPort.
func (p *port) Read(b []byte) (int, error) {
	return p.read(&p.bulk, p.s.transfers.read, readSize, b)
}

// ReadEvent implements usbped.HostPort.
func (p *port) ReadEvent(b []byte) (int, error) {
	return p.read(&p.event, p.s.transfers.event, eventSize, b)
}

// Write implements usbped.HostPort.
func (p *port) Write(b []byte) (int, error) {
	n, err := p.move(p.s.transfers.write, b)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

// read waits for a transfer that brings something. It needs room for all that one
// may bring.
func (p *port) read(r *rest, transfer func(context.Context, []byte) (int, error), size int, b []byte) (n int, err error) {
	if len(r.left) == 0 {
		if len(b) >= size {
			for n == 0 && err == nil {
				n, err = p.move(transfer, b)
			}
			return n, err
		}
		if r.buf == nil {
			r.buf = make([]byte, size)
		}
		for n == 0 {
			if n, err = p.move(transfer, r.buf); err != nil {
				return 0, err
			}
		}
		r.left = r.buf[:n]
	}
	n = copy(b, r.left)
	r.left = r.left[n:]
	return n, nil
}

// move makes one transfer, unless the port is closed.
func (p *port) move(transfer func(context.Context, []byte) (int, error), b []byte) (int, error) {
	p.use.RLock()
	defer p.use.RUnlock()
	if p.ctx.Err() != nil {
		return 0, usbped.ErrClosed
	}
	n, err := transfer(p.ctx, b)
	if err != nil {
		return n, meaning(err)
	}
	return n, nil
}

// meaning says what the failure of a transfer means. The ways in which a device
// goes are many: the request that is under way is told "no device" or "transfer
// failed", the next one that there is no such thing.
func meaning(err error) error {
	var f failure
	if !errors.As(err, &f) {
		return err
	}
	switch f {
	case failNoDevice, failIO, failNotFound:
		return fmt.Errorf("%w: %w", usbped.ErrUnplugged, err)
	case failCancelled:
		return usbped.ErrClosed
	case failOverflow:
		return fmt.Errorf("%w: %w", usbped.ErrCorrupt, err)
	}
	return err
}

// Reset implements usbped.HostPort.
func (p *port) Reset() error {
	p.hangUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return usbped.ErrClosed
	}
	return p.do("port reset", func() error {
		if err := p.s.reset(); err != nil && !errors.Is(err, failNotFound) { // not found: it comes back as another
			return meaning(err)
		}
		return nil
	})
}

// Close implements usbped.HostPort.
func (p *port) Close() error {
	p.hangUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil
	}
	p.ended = true
	return p.do("close", p.s.end)
}

// do makes a call that needs the transfers to have ended. If it is left behind
// that is the end of the port: the call will see to the rest.
func (p *port) do(what string, f func() error) error {
	err := p.calls.do(context.Background(), stepTime, what, func() error {
		p.use.Lock() // until all are out; who comes later finds it hung up
		//lint:ignore SA2001 there is nothing to do in between
		p.use.Unlock()
		return f()
	}, p.s.late)
	var hung *hungError
	if errors.As(err, &hung) {
		p.ended = true
	}
	return err
}
