package libusb

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"openped/protocol"
	"openped/usbped"
)

// How long each step may take.
const (
	lookTime = 5 * time.Second
	stepTime = 2 * time.Second
)

// Open returns how to open a PED on a cable: one with these ids of vendor and
// product ("1209:0001"; "" is any) and this serial number ("" is the only PED).
func Open(id, serial string) usbped.Opener {
	o := &opener{serial: serial, stack: system, host: thisHost, calls: process, built: built}
	o.ids.vendor, o.ids.product, o.ids.only = usbped.ParseUSBID(id)
	return o
}

type opener struct {
	ids    wanted
	serial string

	stack stack
	host  host
	calls *calls
	built bool
}

// String returns "usb", and the serial number if one was named.
func (o *opener) String() string {
	if o.serial == "" {
		return "usb"
	}
	return "usb:" + o.serial
}

// Open implements usbped.Opener.
func (o *opener) Open(ctx context.Context) (usbped.Device, error) {
	port, err := o.dial(ctx)
	if err != nil {
		return nil, err
	}
	h, err := usbped.NewPortHost(ctx, port)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Reset implements usbped.Resetter. A PED that another program has is left alone.
func (o *opener) Reset(ctx context.Context) error {
	s, err := o.get(ctx, nil)
	if err != nil {
		return err
	}
	p := newPort(o.calls, s)
	defer p.Close()
	return p.Reset()
}

// Serials implements usbped.Lister.
func (o *opener) Serials() ([]string, bool) {
	if !o.built {
		return nil, false
	}
	spots, known, err := o.host.look(o.ids)
	serials := make([]string, len(spots))
	for i, s := range spots {
		serials[i] = printable(s.serial)
	}
	slices.Sort(serials)
	return serials, known && err == nil
}

var (
	_ usbped.Resetter = (*opener)(nil)
	_ usbped.Lister   = (*opener)(nil)
)

// dial gets at the three endpoints of the PED.
func (o *opener) dial(ctx context.Context) (usbped.HostPort, error) {
	s, err := o.get(ctx, (*session).clearHalts)
	if err != nil {
		return nil, err
	}
	return newPort(o.calls, s), nil
}

// get claims the PED and makes it ready.
func (o *opener) get(ctx context.Context, ready func(*session) error) (*session, error) {
	if !o.built {
		return nil, usbped.ErrNotBuilt
	}
	if err := o.calls.room(); err != nil {
		return nil, err
	}
	spots, known, err := o.host.look(o.ids)
	if err != nil {
		return nil, err
	}
	var at *spot
	if known {
		if at, err = choose(spots, o.serial, func(s *spot) string { return s.serial }); err != nil {
			return nil, err
		}
		if err := o.host.mayOpen(ctx, at); err != nil {
			return nil, err
		}
	}
	s := &session{}
	if err := o.steps(ctx, s, at, ready); err != nil {
		var hung *hungError
		if !errors.As(err, &hung) { // else it ends itself when it returns
			_ = o.calls.do(context.Background(), stepTime, "close", s.end, s.late)
		}
		return nil, o.explain(err, at)
	}
	return s, nil
}

// steps goes from nothing to a claimed PED.
func (o *opener) steps(ctx context.Context, s *session, at *spot, ready func(*session) error) error {
	for _, step := range []struct {
		what string
		time time.Duration
		skip bool
		do   func() error
	}{
		{"start", lookTime, false, func() error { return s.start(o.stack) }},
		{"open", lookTime, false, func() error { return s.open(o.ids, at) }},
		{"names", lookTime, at != nil, func() error { return s.keep(o.serial) }}, // else the system told
		{"claim", stepTime, false, s.claim},
		{"clear halt", stepTime, ready == nil, func() error { return ready(s) }},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if step.skip {
			continue
		}
		if err := o.calls.do(ctx, step.time, step.what, step.do, s.late); err != nil {
			return err
		}
	}
	return nil
}

// explain says what a failure of libusb while opening means, and who is the
// cause of it.
func (o *opener) explain(err error, at *spot) error {
	var f failure
	if !errors.As(err, &f) {
		return err
	}
	switch f {
	case failNoDevice, failNotFound, failIO:
		return fmt.Errorf("%w: %w", usbped.ErrUnplugged, err)
	case failBusy:
		if at != nil {
			if name, pid := o.host.holder(at); pid != 0 {
				return &usbped.HeldError{Process: name, PID: pid}
			}
		}
		return usbped.ErrInUse
	case failAccess:
		switch {
		case at != nil:
			return &usbped.AccessError{Path: at.node}
		case runtime.GOOS == "windows": // where everybody may, but only one at a time
			return usbped.ErrInUse
		}
		return usbped.ErrNoAccess
	case failNotSupported:
		return &driverError{}
	case failTimeout, failStall:
		return fmt.Errorf("%w: %w", usbped.ErrMute, err)
	}
	return fmt.Errorf("%w: %w", usbped.ErrNotPED, err)
}

// driverError says that the system has no driver that lets programs at the PED.
type driverError struct{}

func (*driverError) Error() string { return "PED seen, but the system has no driver for it" }
func (*driverError) Unwrap() error { return usbped.ErrNoAccess }
func (*driverError) Hint() string {
	return "plug the PED in again, so that the system gives it its driver for programs (WinUSB on Windows)"
}

// choose returns the one that is meant.
func choose[T any](all []T, serial string, name func(T) string) (one T, err error) {
	var serials []string
	var fit []T
	for _, x := range all {
		n := printable(name(x))
		serials = append(serials, n)
		if serial == "" || n == serial {
			fit = append(fit, x)
		}
	}
	slices.Sort(serials)
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return one, &usbped.SeveralError{Serials: serials}
	case len(all) > 0:
		return one, &otherError{serial, serials}
	}
	return one, usbped.ErrNoDevice
}

// otherError says that the PED that was named is not there, but others are.
type otherError struct {
	serial string
	others []string
}

func (e *otherError) Error() string {
	return fmt.Sprintf("no PED %s found; plugged in: %s", e.serial, strings.Join(e.others, ", "))
}
func (*otherError) Unwrap() error { return usbped.ErrNoDevice }
func (*otherError) Hint() string {
	return "plug that PED in, or name the other with -peddevice usb:SERIAL"
}

// printable is a serial number as it may be shown: what a PED's own must be.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c <= 0x20 || c > 0x7e {
			b[i] = '?'
		}
	}
	return string(b[:min(len(b), protocol.MaxSerialText)])
}
