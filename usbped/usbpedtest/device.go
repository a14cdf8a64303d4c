// Package usbpedtest holds a PED for tests: a Device that does what the test
// says, with a fault for every call, and an Opener that hands such devices out.
package usbpedtest

import (
	"context"
	"io"
	"net"
	"sync"

	"openped/protocol"
	"openped/usbped"
)

// Call is one of the methods that can be made to fail.
type Call int

// The calls.
const (
	Send Call = iota
	Recv
	Cancel
	Ping
	Close
	numCalls
)

// Device is a usbped.Device in the hands of a test. Use New.
type Device struct {
	info usbped.Info

	mu     sync.Mutex
	faults [numCalls]error
	hung   [numCalls]bool
	counts [numCalls]int
	gone   error
	queue  []usbped.Message
	sent   [][]byte
	change chan struct{} // closed and replaced at every change
}

var _ usbped.Device = (*Device)(nil)

// Software is an Info for tests.
var Software = usbped.Info{Serial: "TEST0001", Firmware: "2.9.0", Product: "Test PED", Software: true}

// New returns a device that is there and silent.
func New(info usbped.Info) *Device { return &Device{info: info, change: make(chan struct{})} }

// with runs f under the lock and wakes whoever waits for a change.
func (d *Device) with(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	close(d.change)
	d.change = make(chan struct{})
}

// PushFrame lets Recv return a frame of the channel.
func (d *Device) PushFrame(frame []byte) {
	d.with(func() { d.queue = append(d.queue, usbped.Message{Frame: frame}) })
}

// PushEvent lets Recv return an event.
func (d *Device) PushEvent(e protocol.PEDEvent) {
	d.with(func() { d.queue = append(d.queue, usbped.Message{Event: &e}) })
}

// Fault makes every further use of a call return err; nil mends it.
func (d *Device) Fault(c Call, err error) { d.with(func() { d.faults[c] = err }) }

// Hang makes every further use of a call wait until its context ends, it is
// mended, or the device is unplugged. Close never hangs.
func (d *Device) Hang(c Call, hang bool) { d.with(func() { d.hung[c] = hang }) }

// Unplug makes every call, also those that wait, fail with ErrUnplugged.
func (d *Device) Unplug() {
	d.with(func() {
		if d.gone == nil {
			d.gone = usbped.ErrUnplugged
		}
	})
}

// Count returns how often a call was made.
func (d *Device) Count(c Call) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts[c]
}

// Closed reports whether Close was called.
func (d *Device) Closed() bool { return d.Count(Close) > 0 }

// Sent returns copies of the frames sent so far.
func (d *Device) Sent() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]byte(nil), d.sent...)
}

// WaitSent waits until n frames were sent and returns the last of them.
func (d *Device) WaitSent(ctx context.Context, n int) ([]byte, error) {
	var frame []byte
	err := d.wait(ctx, func() bool {
		if len(d.sent) < n {
			return false
		}
		frame = d.sent[n-1]
		return true
	})
	return frame, err
}

// WaitCount waits until a call was made n times.
func (d *Device) WaitCount(ctx context.Context, c Call, n int) error {
	return d.wait(ctx, func() bool { return d.counts[c] >= n })
}

func (d *Device) wait(ctx context.Context, ok func() bool) error {
	for {
		d.mu.Lock()
		done, change := ok(), d.change
		d.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// call counts a call, applies its fault, and waits until act, which runs under
// the lock, has done it. As with a real PED, Recv delivers what arrived before
// the end.
func (d *Device) call(ctx context.Context, c Call, act func() bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.with(func() { d.counts[c]++ })
	for {
		done, change, err := d.try(c, act)
		if done || err != nil {
			return err
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *Device) try(c Call, act func() bool) (done bool, change chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.faults[c] != nil:
		return false, nil, d.faults[c]
	case d.gone != nil && c != Recv, d.gone != nil && d.hung[c]:
		return false, nil, d.gone
	case d.hung[c]:
		return false, d.change, nil
	case act():
		close(d.change)
		d.change = make(chan struct{})
		return true, nil, nil
	}
	return false, d.change, d.gone
}

// Info implements usbped.Device.
func (d *Device) Info() usbped.Info { return d.info }

// Send implements usbped.Device.
func (d *Device) Send(ctx context.Context, frame []byte) error {
	return d.call(ctx, Send, func() bool {
		d.sent = append(d.sent, append([]byte(nil), frame...))
		return true
	})
}

// Recv implements usbped.Device.
func (d *Device) Recv(ctx context.Context) (m usbped.Message, err error) {
	err = d.call(ctx, Recv, func() bool {
		if len(d.queue) == 0 {
			return false
		}
		m, d.queue = d.queue[0], d.queue[1:]
		return true
	})
	return m, err
}

// Cancel implements usbped.Device.
func (d *Device) Cancel(ctx context.Context) error {
	return d.call(ctx, Cancel, func() bool { return true })
}

// Ping implements usbped.Device.
func (d *Device) Ping(ctx context.Context) error {
	return d.call(ctx, Ping, func() bool { return true })
}

// Close implements usbped.Device.
func (d *Device) Close() (err error) {
	d.with(func() {
		d.counts[Close]++
		err, d.gone = d.faults[Close], usbped.ErrClosed
	})
	return err
}

// Opener hands out devices and errors in the order they were added; with none
// left it returns ErrNoDevice. The zero value is ready to use.
type Opener struct {
	mu    sync.Mutex
	next  []opening
	opens int
}

type opening struct {
	d   usbped.Device
	err error
}

var _ usbped.Opener = (*Opener)(nil)

// Add lets one Open return a device.
func (o *Opener) Add(d usbped.Device) { o.add(opening{d: d}) }

// AddError lets one Open fail.
func (o *Opener) AddError(err error) { o.add(opening{err: err}) }

func (o *Opener) add(x opening) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = append(o.next, x)
}

// Opens returns how often Open was called.
func (o *Opener) Opens() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opens
}

// Open implements usbped.Opener.
func (o *Opener) Open(ctx context.Context) (usbped.Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opens++
	if len(o.next) == 0 {
		return nil, usbped.ErrNoDevice
	}
	x := o.next[0]
	o.next = o.next[1:]
	return x.d, x.err
}

// String implements usbped.Opener.
func (o *Opener) String() string { return "test" }

// Pair connects a host and a gadget in memory: the real framing on both ends.
func Pair(ctx context.Context, info usbped.Info) (*usbped.Host, *usbped.Gadget, error) {
	a, b := net.Pipe()
	return PairOver(ctx, a, b, info)
}

// PairOver is Pair over streams of the caller's.
func PairOver(ctx context.Context, host, gadget io.ReadWriteCloser, info usbped.Info) (*usbped.Host, *usbped.Gadget, error) {
	g := usbped.NewGadget(gadget, info)
	h, err := usbped.NewHost(ctx, host)
	if err != nil {
		_ = g.Close()
		return nil, nil, err
	}
	return h, g, nil
}
