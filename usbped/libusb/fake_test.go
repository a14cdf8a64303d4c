package libusb

import (
	"context"
	"errors"
	"sync"
	"testing"

	"openped/usbped"
)

// fake is libusb with devices that a test plugs in. Every call asks do first, by
// its name: an error is what the call returns, and do may hang or panic.
type fake struct {
	do func(call string) error

	mu      sync.Mutex
	devices []*device
	open    map[string]int // how many buses, handles, claims and transfers there are
}

// device is a device on the fake bus.
type device struct {
	desc            descriptors
	product, serial string

	in, event chan []byte // what the host reads
	out       chan []byte // what it wrote
	gone      chan struct{}
	halted    map[uint8]bool
}

// pedPlace is where aPED has its PED.
var pedPlace = place{config: 1, iface: 0, alternate: 0, out: 0x01, in: 0x82, event: 0x83}

func pedDescriptors() descriptors {
	return descriptors{bus: 1, address: 2, vendor: 0x1209, product: 1, configs: []config{{1, []iface{{0, []setting{{
		class: usbped.USBClass, subclass: usbped.USBSubclass, protocol: usbped.USBProtocol,
		endpoints: []endpoint{{0x83, kindInterrupt, 64}, {0x01, kindBulk, 512}, {0x82, kindBulk, 512}},
	}}}}}}}
}

func aPED(serial string) *device {
	return &device{desc: pedDescriptors(), product: usbped.USBProduct + " (test)", serial: serial,
		in: make(chan []byte), event: make(chan []byte), out: make(chan []byte, 100), gone: make(chan struct{}),
		halted: map[uint8]bool{pedPlace.out: true}}
}

func (f *fake) ask(call string) error {
	if f.do == nil {
		return nil
	}
	return f.do(call)
}

func (f *fake) count(what string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[string]int{}
	}
	f.open[what] += n
	if f.open[what] < 0 {
		panic("closed twice: " + what)
	}
}

// nothingOpen checks that all that was opened is closed.
func (f *fake) nothingOpen(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for what, n := range f.open {
		if n != 0 {
			t.Errorf("%d %s left open", n, what)
		}
	}
}

func (f *fake) start() (bus, error) {
	if err := f.ask("start"); err != nil {
		return nil, err
	}
	f.count("buses", 1)
	return &fakeBus{f}, nil
}

type fakeBus struct{ *fake }

func (b *fakeBus) open(want func(*descriptors) bool) ([]handle, error) {
	var handles []handle
	var failed error
	for _, d := range b.devices {
		if !want(&d.desc) {
			continue
		}
		if err := b.ask("open"); err != nil {
			failed = err
			continue
		}
		b.count("handles", 1)
		handles = append(handles, &fakeHandle{fake: b.fake, device: d})
	}
	return handles, failed
}

func (b *fakeBus) close() error {
	b.count("buses", -1)
	return b.ask("close")
}

type fakeHandle struct {
	*fake
	*device
	closed bool
	under  bool // there are transfers
}

func (h *fakeHandle) about() *descriptors { return &h.desc }

func (h *fakeHandle) names() (string, string, error) { return h.product, h.serial, h.ask("names") }

func (h *fakeHandle) claim(p place) error {
	if err := h.ask("claim"); err != nil {
		return err
	}
	if p != pedPlace {
		return errors.New("claimed the wrong place")
	}
	h.count("claims", 1)
	return nil
}

func (h *fakeHandle) clearHalt(address uint8) error {
	if err := h.ask("clear halt"); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.halted, address)
	return nil
}

func (h *fakeHandle) transfers(place) (transfers, error) {
	if err := h.ask("transfers"); err != nil {
		return transfers{}, err
	}
	h.count("transfers", 1)
	h.under = true
	from := func(call string, c chan []byte) func(context.Context, []byte) (int, error) {
		return func(ctx context.Context, b []byte) (int, error) {
			if err := h.ask(call); err != nil {
				return 0, err
			}
			select {
			case got := <-c:
				return copy(b, got), nil
			case <-h.gone:
				return 0, failNoDevice
			case <-ctx.Done():
				return 0, failCancelled
			}
		}
	}
	write := func(ctx context.Context, b []byte) (int, error) {
		if err := h.ask("write"); err != nil {
			return 0, err
		}
		select {
		case h.out <- append([]byte(nil), b...):
			return len(b), nil
		case <-h.gone:
			return 0, failIO
		case <-ctx.Done():
			return 0, failCancelled
		}
	}
	return transfers{from("read", h.in), from("event", h.event), write, func() {
		_ = h.ask("end")
		h.under = false
		h.count("transfers", -1)
	}}, nil
}

func (h *fakeHandle) release() {
	if h.under {
		panic("released with transfers under way")
	}
	h.count("claims", -1)
	_ = h.ask("release")
}

func (h *fakeHandle) reset() error {
	if err := h.ask("reset"); err != nil {
		return err
	}
	return nil
}

func (h *fakeHandle) close() {
	if !h.closed {
		h.closed = true
		h.count("handles", -1)
	}
}

// told is a host that tells what is plugged in, as Linux does.
type told struct {
	spots  []*spot
	err    error
	access error
	name   string
	pid    int
}

func (h told) look(wanted) ([]*spot, bool, error)   { return h.spots, true, h.err }
func (h told) mayOpen(context.Context, *spot) error { return h.access }
func (h told) holder(*spot) (string, int)           { return h.name, h.pid }

// untold is a host that leaves all to libusb.
type untold struct{}

func (untold) look(wanted) ([]*spot, bool, error)   { return nil, false, nil }
func (untold) mayOpen(context.Context, *spot) error { return nil }
func (untold) holder(*spot) (string, int)           { return "", 0 }

func newOpener(f *fake, h host, serial string) *opener {
	return &opener{serial: serial, stack: f, host: h, calls: new(calls), built: true}
}
