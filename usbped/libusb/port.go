package libusb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"openped/usbped"
)

// port is a claimed PED. Who uses it never waits for libusb itself: that is done
// by goroutines of its own, which may be left behind.
type port struct {
	calls *calls
	s     *session

	hangUp    func()        // ends the transfers and whoever waits for one
	closed    chan struct{} // closed by hangUp
	transfers sync.WaitGroup

	in, event inlet
	out       chan []byte
	sent      chan sent
	buf       []byte // what is on its way out

	mu    sync.Mutex // held while ending
	ended bool       // or the session is with a call that hangs
}

type sent struct {
	n   int
	err error
}

var _ usbped.HostPort = (*port)(nil)

// newPort takes over a session with a claimed PED.
func newPort(c *calls, s *session) *port {
	ctx, stop := context.WithCancel(context.Background())
	p := &port{calls: c, s: s, closed: make(chan struct{}), out: make(chan []byte), sent: make(chan sent, 1),
		in: inlet{filled: make(chan []byte)}, event: inlet{filled: make(chan []byte)}}
	p.hangUp = sync.OnceFunc(func() {
		close(p.closed)
		stop()
	})
	t := s.transfers
	p.transfers.Go(func() { p.in.pump(ctx, t.read, readSize) })
	p.transfers.Go(func() { p.event.pump(ctx, t.event, eventSize) })
	p.transfers.Go(func() { p.writer(ctx, t.write) })
	return p
}

// Read implements usbped.HostPort.
func (p *port) Read(b []byte) (int, error) { return p.in.read(p.closed, b) }

// ReadEvent implements usbped.HostPort.
func (p *port) ReadEvent(b []byte) (int, error) { return p.event.read(p.closed, b) }

// Write implements usbped.HostPort.
func (p *port) Write(b []byte) (int, error) {
	p.buf = append(p.buf[:0], b...) // b is the caller's again even if libusb hangs
	select {
	case p.out <- p.buf:
	case <-p.closed:
		return 0, usbped.ErrClosed
	}
	select {
	case r := <-p.sent:
		switch {
		case r.err != nil:
			return r.n, meaning(r.err)
		case r.n != len(b):
			return r.n, io.ErrShortWrite
		}
		return r.n, nil
	case <-p.closed:
		return 0, usbped.ErrClosed
	}
}

// writer sends what Write hands it, in one transfer each.
func (p *port) writer(ctx context.Context, write func(context.Context, []byte) (int, error)) {
	for {
		select {
		case b := <-p.out:
			n, err := move(ctx, write, b)
			p.sent <- sent{n, err} // has room: Write sends one after the other
		case <-ctx.Done():
			return
		}
	}
}

// inlet is what comes from an endpoint, for one reader.
type inlet struct {
	filled chan []byte // closed after the last
	err    error       // why it was the last
	rest   []byte      // of what the reader took
}

// pump waits for one transfer after the other. It fills two buffers by turns: the
// reader is done with one when it asks for the other.
func (i *inlet) pump(ctx context.Context, read func(context.Context, []byte) (int, error), size int) {
	defer close(i.filled)
	buf, other := make([]byte, size), make([]byte, size)
	for {
		n, err := move(ctx, read, buf)
		if n > 0 && err == nil {
			select {
			case i.filled <- buf[:n]:
				buf, other = other, buf
			case <-ctx.Done(): // the next transfer tells
			}
		}
		if err != nil {
			i.err = meaning(err)
			return
		}
	}
}

func (i *inlet) read(closed <-chan struct{}, b []byte) (int, error) {
	if len(i.rest) == 0 {
		select {
		case filled, ok := <-i.filled:
			if !ok {
				return 0, i.err
			}
			i.rest = filled
		case <-closed:
			return 0, usbped.ErrClosed
		}
	}
	n := copy(b, i.rest)
	i.rest = i.rest[n:]
	return n, nil
}

// move makes one transfer. A panic is a failure like any other.
func move(ctx context.Context, transfer func(context.Context, []byte) (int, error), b []byte) (n int, err error) {
	err = safely(func() (err error) { n, err = transfer(ctx, b); return err })
	return n, err
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
	err := p.calls.do(context.Background(), endTime, what, func() error {
		p.transfers.Wait()
		return f()
	}, p.s.late)
	var hung *hungError
	if errors.As(err, &hung) {
		p.ended = true
	}
	return err
}
