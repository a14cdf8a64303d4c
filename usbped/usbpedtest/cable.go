package usbpedtest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"openped/usbped"
)

// Cable is a USB cable in memory. On it bytes travel in packets: a transfer ends
// with a short packet, or when its receiver's buffer is full, and is not over
// otherwise. What nobody reads is not taken.
type Cable struct {
	// Packet is the size of packets: 64, 512 or 1024.
	Packet int
	// Pace is how long the PED takes for a packet, either way.
	Pace time.Duration
	// Whole makes a read of the PED return whole transfers, not packets.
	Whole bool

	out, in, events *pipe
	host, gadget    end
}

// NewCable returns a cable with packets of this size.
func NewCable(packet int) *Cable {
	c := &Cable{Packet: packet, out: newPipe(), in: newPipe(), events: newPipe()}
	c.host, c.gadget = newEnd(), newEnd()
	return c
}

// pipe is one direction of one endpoint: a packet at a time.
type pipe struct {
	packets chan []byte
	rest    []byte // of a packet that did not fit
}

func newPipe() *pipe { return &pipe{packets: make(chan []byte)} }

// end is one end of the cable with what goes wrong there.
type end struct {
	mu     *sync.Mutex
	faults map[int]Fault
	calls  *int
	resets *int
	gone   chan struct{}
	cause  *error
}

func newEnd() end {
	return end{mu: new(sync.Mutex), faults: map[int]Fault{}, calls: new(int), resets: new(int), gone: make(chan struct{}), cause: new(error)}
}

// Fault is something that goes wrong in a call.
type Fault uint8

// The faults.
const (
	// Unplug: the cable is pulled.
	Unplug Fault = 1
	// Stall: the call fails, and the cable stays.
	Stall Fault = 2
	// Hang: nothing happens until the end is closed.
	Hang Fault = 3
	// Half: a write is cut off and fails; a read loses the second half of what
	// came.
	Half Fault = 4
	// Flip: a bit is wrong.
	Flip Fault = 5
	// Lose: what was written or came never was.
	Lose Fault = 6
	// Twice: what was written or came is there twice.
	Twice Fault = 7
	// Bytes: a read gives a byte at a time from here on. Nothing is wrong with it.
	Bytes Fault = 8
)

// Faults are all faults that do harm.
func Faults() []Fault { return []Fault{Unplug, Stall, Hang, Half, Flip, Lose, Twice} }

// String names the fault.
func (f Fault) String() string {
	names := [...]string{Unplug: "unplug", Stall: "stall", Hang: "hang", Half: "half", Flip: "flip", Lose: "lose", Twice: "twice", Bytes: "bytes"}
	if int(f) < len(names) && names[f] != "" {
		return names[f]
	}
	return fmt.Sprintf("fault %d", uint8(f))
}

// ErrStall is the error of a call with the fault Stall.
var ErrStall = errors.New("endpoint halted")

// HostFault makes the host's n-th call of Read, Write or ReadEvent, from 1, go
// wrong; GadgetFault the PED's.
func (c *Cable) HostFault(n int, f Fault) { c.host.set(n, f) }

// GadgetFault is HostFault for the PED's calls.
func (c *Cable) GadgetFault(n int, f Fault) { c.gadget.set(n, f) }

// Mend takes back all faults that are still to come.
func (c *Cable) Mend() {
	c.host.mend()
	c.gadget.mend()
}

// Calls returns how many calls host and PED have made.
func (c *Cable) Calls() (host, gadget int) { return c.host.count(), c.gadget.count() }

// Resets returns how often the host has reset the port.
func (c *Cable) Resets() int {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	return *c.host.resets
}

// Unplug pulls the cable.
func (c *Cable) Unplug() {
	c.host.close(fmt.Errorf("%w: pulled", usbped.ErrUnplugged))
	c.gadget.close(fmt.Errorf("%w: pulled", usbped.ErrUnplugged))
}

// Host returns the host's end. A host that closed it may be followed by another,
// who finds what the first has left: Host is called again then.
func (c *Cable) Host() usbped.HostPort {
	c.host.reopen()
	return hostPort{c, c.host}
}

// Gadget returns the PED's end, once.
func (c *Cable) Gadget() usbped.GadgetPort { return gadgetPort{c, c.gadget} }

type hostPort struct {
	c *Cable
	e end
}

func (p hostPort) Read(b []byte) (int, error)      { return p.c.read(p.e, p.c.in, b, true) }
func (p hostPort) ReadEvent(b []byte) (int, error) { return p.c.read(p.e, p.c.events, b, true) }
func (p hostPort) Write(b []byte) (int, error)     { return p.c.write(p.e, p.c.out, b) }
func (p hostPort) Close() error                    { p.e.close(usbped.ErrClosed); return nil }

func (p hostPort) Reset() error {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	*p.e.resets++
	return nil
}

type gadgetPort struct {
	c *Cable
	e end
}

func (p gadgetPort) Read(b []byte) (int, error)       { return p.c.read(p.e, p.c.out, b, p.c.Whole) }
func (p gadgetPort) Write(b []byte) (int, error)      { return p.c.write(p.e, p.c.in, b) }
func (p gadgetPort) WriteEvent(b []byte) (int, error) { return p.c.write(p.e, p.c.events, b) }
func (p gadgetPort) Close() error                     { p.c.Unplug(); return nil }

func (e *end) set(n int, f Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults[n] = f
}

func (e *end) mend() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.faults)
}

func (e *end) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return *e.calls
}

func (e *end) close(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if *e.cause == nil {
		*e.cause = cause
		close(e.gone)
	}
}

// reopen is for the host after one that closed.
func (e *end) reopen() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if *e.cause == usbped.ErrClosed {
		e.cause, e.gone = new(error), make(chan struct{})
	}
}

func (e *end) err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return *e.cause
}

// begin counts a call and says what goes wrong in it.
func (e *end) begin() (Fault, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	*e.calls++
	f := e.faults[*e.calls]
	if f == Bytes {
		e.faults[*e.calls+1] = Bytes
	}
	return f, *e.cause
}

// struck does what a fault does to the call as a whole.
func (c *Cable) struck(e end, f Fault) error {
	switch f {
	case Unplug:
		c.Unplug()
		return e.err()
	case Stall:
		return ErrStall
	case Hang:
		<-e.gone
		return e.err()
	}
	return nil
}

func (c *Cable) write(e end, p *pipe, b []byte) (int, error) {
	f, err := e.begin()
	if err == nil {
		err = c.struck(e, f)
	}
	if err != nil {
		return 0, err
	}
	times, sent := 1, b
	switch f {
	case Half:
		sent = b[:len(b)/2]
	case Flip:
		sent = flipped(b)
	case Lose:
		times = 0
	case Twice:
		times = 2
	}
	for range times {
		for rest := sent; ; {
			n := min(len(rest), c.Packet)
			select {
			case p.packets <- append([]byte(nil), rest[:n]...):
			case <-e.gone:
				return 0, e.err()
			}
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
	}
	if f == Half {
		return len(sent), ErrStall
	}
	return len(b), nil
}

// read returns a transfer or, unless whole, a packet.
func (c *Cable) read(e end, p *pipe, b []byte, whole bool) (int, error) {
	f, err := e.begin()
	if err == nil {
		err = c.struck(e, f)
	}
	if err != nil {
		return 0, err
	}
	if f == Bytes {
		b = b[:1]
	}
	n := 0
	for {
		packet := p.rest
		if packet == nil {
			select {
			case packet = <-p.packets:
			case <-e.gone:
				return 0, e.err()
			}
			time.Sleep(c.Pace)
		}
		m := copy(b[n:], packet)
		n += m
		if p.rest = packet[m:]; len(p.rest) == 0 {
			p.rest = nil
		}
		if !whole || len(packet) < c.Packet || n+c.Packet > len(b) {
			break
		}
	}
	switch f {
	case Half:
		n = (n + 1) / 2
	case Flip:
		copy(b, flipped(b[:n]))
	case Lose:
		n = 0
	case Twice:
		n += copy(b[n:], b[:n])
	}
	return n, nil
}

// flipped is b with one bit wrong, late in it.
func flipped(b []byte) []byte {
	b = append([]byte(nil), b...)
	b[len(b)*3/4] ^= 0x10
	return b
}
