package functionfs

import (
	"slices"
	"sync"

	"openped/softped/back/usbdev"
	"openped/usbped"
)

// lanes is what stands between the endpoints' threads, which come and go with
// nothing, and the ports, each of which ends with its host.
type lanes struct {
	packets chan []byte   // from bulk OUT; the reader waits for taken after each
	taken   chan struct{} // the last packet was copied
	frames  chan job      // to bulk IN
	events  chan job      // to interrupt IN
	ports   usbdev.Ports

	mu  sync.Mutex
	era *era // nil while no host has configured the device
}

// era is the time from being configured to its end.
type era struct{ over chan struct{} }

// job is bytes for a writer.
type job struct {
	b    []byte
	done chan error // has room for the answer
}

func newLanes(ports usbdev.Ports) *lanes {
	return &lanes{packets: make(chan []byte), taken: make(chan struct{}), frames: make(chan job), events: make(chan job), ports: ports}
}

// begin starts an era, and ends the one before.
func (l *lanes) begin() {
	l.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.era = &era{make(chan struct{})}
	l.ports.Put(newPort(l, l.era))
}

// end ends the era.
func (l *lanes) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.era != nil {
		close(l.era.over)
		l.era = nil
	}
}

// now returns the present era, or nil.
func (l *lanes) now() *era {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.era
}

// deliver hands a packet to whoever has the port. A packet for nobody is
// dropped: its host is gone.
func (l *lanes) deliver(b []byte) {
	e := l.now()
	if e == nil {
		return
	}
	select {
	case l.packets <- b:
		<-l.taken
	case <-e.over:
	}
}

// port is the PED's end of the cable.
type port struct {
	l    *lanes
	e    *era
	rest []byte // of a packet that did not fit; Read's own

	once   sync.Once
	closed chan struct{}
}

var _ usbped.GadgetPort = (*port)(nil)

func newPort(l *lanes, e *era) *port { return &port{l: l, e: e, closed: make(chan struct{})} }

func (p *port) over() bool {
	select {
	case <-p.closed:
		return true
	case <-p.e.over:
		return true
	default:
		return false
	}
}

func (p *port) Read(b []byte) (int, error) {
	if p.over() {
		return 0, usbdev.ErrGone
	}
	if len(p.rest) == 0 {
		select {
		case packet := <-p.l.packets:
			n := copy(b, packet)
			p.rest = slices.Clone(packet[n:])
			p.l.taken <- struct{}{}
			return n, nil
		case <-p.closed:
			return 0, usbdev.ErrGone
		case <-p.e.over:
			return 0, usbdev.ErrGone
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *port) Write(b []byte) (int, error) { return p.write(p.l.frames, b) }

func (p *port) WriteEvent(b []byte) (int, error) { return p.write(p.l.events, b) }

// write leaves a job behind whose host does not read: the next host drains it.
func (p *port) write(lane chan<- job, b []byte) (int, error) {
	if p.over() {
		return 0, usbdev.ErrGone
	}
	j := job{slices.Clone(b), make(chan error, 1)}
	for offered := lane; ; {
		select {
		case offered <- j:
			offered = nil
		case err := <-j.done:
			if err != nil {
				return 0, err
			}
			return len(b), nil
		case <-p.closed:
			return 0, usbdev.ErrGone
		case <-p.e.over:
			return 0, usbdev.ErrGone
		}
	}
}

// Close gives the host up. If the cable is still in, a next port follows: the
// kernel does not tell when another program of the host opens the PED.
func (p *port) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.l.mu.Lock()
		defer p.l.mu.Unlock()
		if p.l.era == p.e {
			p.l.ports.Put(newPort(p.l, p.e))
		}
	})
	return nil
}
