package usbdev

import (
	"errors"
	"slices"
	"sync"

	"openped/usbped"
)

// Status is how a transfer ended, as the Linux kernel numbers it.
type Status int32

// The statuses.
const (
	StatusOK       Status = 0
	StatusStall    Status = -32  // EPIPE
	StatusReset    Status = -104 // ECONNRESET: the host took it back
	StatusShutdown Status = -108 // ESHUTDOWN: the device is going
)

// Transfer is what a host asks of an endpoint.
type Transfer struct {
	Endpoint uint8  // address: 0x80 is IN; 0 and 0x80 are the control endpoint
	Setup    Setup  // of a control transfer
	Data     []byte // OUT: what the host sends
	Room     int    // IN: the most that the host takes

	// Done is called once, unless the transfer was cancelled: with the data of
	// an IN transfer, or how much of an OUT transfer was taken. It must neither
	// block nor call the device.
	Done func(s Status, data []byte, taken int)

	taken  int    // OUT: so much was read
	filled []byte // IN: so much was written
}

// maxFilled is how much is kept for one IN transfer that no short packet ends.
const maxFilled = 1 << 20

// ErrGone is in the errors of a port whose time is over.
var ErrGone = errors.New("host gone")

// Device is one device from the time it is plugged in until it is unplugged. It
// does what a controller's hardware does: it answers control requests, and holds
// the host's transfers until the PED reads or writes.
type Device struct {
	ports Ports

	mu     sync.Mutex
	moved  sync.Cond // something came for a port, or a port's time is over
	ctl    *control
	out    []*Transfer           // not yet read
	in     map[uint8][]*Transfer // not yet written, by endpoint
	port   *port                 // nil while no host has configured the device
	closed bool
}

// New plugs a device in. Each time that a host configures it, a port goes to
// ports.
func New(id Identity, s Speed, ports Ports) *Device {
	d := &Device{ports: ports, ctl: newControl(id, s), in: map[uint8][]*Transfer{}}
	d.moved.L = &d.mu
	return d
}

// Submit takes a transfer.
func (d *Device) Submit(t *Transfer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		t.Done(StatusShutdown, nil, 0)
	case t.Endpoint&0x7f == 0:
		d.control(t)
	case !d.ctl.configured || !d.ctl.has(t.Endpoint) || d.ctl.halted[t.Endpoint]:
		t.Done(StatusStall, nil, 0)
	case t.Endpoint == OutAddress:
		if len(t.Data) == 0 {
			t.Done(StatusOK, nil, 0)
			return
		}
		d.out = append(d.out, t)
		d.moved.Broadcast()
	default:
		d.in[t.Endpoint] = append(d.in[t.Endpoint], t)
		d.moved.Broadcast()
	}
}

// Cancel takes a transfer back. It is false if the transfer is done.
func (d *Device) Cancel(t *Transfer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	queue := &d.out
	if t.Endpoint != OutAddress {
		q := d.in[t.Endpoint]
		queue = &q
		defer func() { d.in[t.Endpoint] = q }()
	}
	i := slices.Index(*queue, t)
	if i < 0 {
		return false
	}
	*queue = slices.Delete(*queue, i, i+1)
	return true
}

// Unplug pulls the cable. What is under way is done, with StatusShutdown.
func (d *Device) Unplug() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.ctl.configured = false
	d.flush(StatusShutdown)
	d.endPort()
}

// control answers at once: nothing that is asked takes time.
func (d *Device) control(t *Transfer) {
	if !t.Setup.In() && t.Setup.Length > 0 { // no request of ours brings data
		t.Done(StatusStall, nil, 0)
		return
	}
	a := d.ctl.request(t.Setup)
	if !a.ok {
		t.Done(StatusStall, nil, 0)
		return
	}
	switch a.effect {
	case configured, unconfigured, resetInterface:
		// A host that configures the device begins anew: so it does after a
		// reset of the bus.
		d.flush(StatusShutdown)
		d.endPort()
		if d.ctl.configured {
			d.newPort()
		}
	case halted:
		d.flushOne(a.endpoint, StatusStall)
	}
	t.Done(StatusOK, a.data[:min(len(a.data), t.Room)], 0)
}

func (d *Device) flush(s Status) {
	for e := range d.ctl.halted {
		d.flushOne(e, s)
	}
}

func (d *Device) flushOne(endpoint uint8, s Status) {
	if endpoint == OutAddress {
		for _, t := range d.out {
			t.Done(s, nil, t.taken)
		}
		d.out = nil
		return
	}
	for _, t := range d.in[endpoint] {
		t.Done(s, t.filled, 0)
	}
	delete(d.in, endpoint)
}

func (d *Device) newPort() {
	d.port = &port{d: d}
	d.ports.Put(d.port)
}

func (d *Device) endPort() {
	if d.port != nil {
		d.port.over = true
		d.port = nil
	}
	d.moved.Broadcast()
}

// port is the PED's end of the cable.
type port struct {
	d    *Device
	over bool // under d.mu
}

var _ usbped.GadgetPort = (*port)(nil)

// Read returns what a transfer to the PED still has. The transfer is done when
// all of it was read: a PED that does not read holds the host up.
func (p *port) Read(b []byte) (int, error) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	for !p.over && len(d.out) == 0 {
		d.moved.Wait()
	}
	if p.over {
		return 0, ErrGone
	}
	t := d.out[0]
	n := copy(b, t.Data[t.taken:])
	if t.taken += n; t.taken == len(t.Data) {
		d.out = slices.Delete(d.out, 0, 1)
		t.Done(StatusOK, nil, t.taken)
	}
	return n, nil
}

func (p *port) Write(b []byte) (int, error) {
	return p.write(InAddress, p.d.ctl.speed.BulkPacket(), b)
}

func (p *port) WriteEvent(b []byte) (int, error) { return p.write(EventAddress, EventPacket, b) }

// write gives the host what it has room for: a transfer of the host's is done
// when it is full, or with a short packet.
func (p *port) write(endpoint uint8, packet int, b []byte) (int, error) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	for rest := b; ; {
		for !p.over && (len(d.in[endpoint]) == 0) {
			d.moved.Wait()
		}
		if p.over {
			return len(b) - len(rest), ErrGone
		}
		t := d.in[endpoint][0]
		n := min(len(rest), t.Room-len(t.filled))
		t.filled = append(t.filled, rest[:n]...)
		rest = rest[n:]
		short := len(rest) == 0 && (len(b) == 0 || len(b)%packet != 0)
		if short || len(t.filled) >= min(t.Room, maxFilled) {
			d.in[endpoint] = slices.Delete(d.in[endpoint], 0, 1)
			t.Done(StatusOK, t.filled, 0)
		}
		if len(rest) == 0 {
			return len(b), nil
		}
	}
}

// Close gives the host up. It sees all endpoints halted; once it has ended the
// halts, it meets the next port.
func (p *port) Close() error {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.over {
		return nil
	}
	for e := range d.ctl.halted {
		d.ctl.halted[e] = true
	}
	d.flush(StatusStall)
	d.endPort()
	d.newPort()
	return nil
}
