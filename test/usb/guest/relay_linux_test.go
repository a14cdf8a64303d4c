package guest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"openped/test/lab"
)

// relay is a cable with somebody in its middle: a softped that exports itself is
// attached to this machine by the relay, which can change, hold up or withhold
// every transfer. The messages are those of USB/IP: a head of 48 bytes, big
// endian, and the data.
//
//	command     4   1 submit, 2 unlink, 3 submitted, 4 unlinked
//	seq         4
//	device      4
//	direction   4   1 in
//	endpoint    4
//	flags       4   of a submit; of a result the status
//	length      4   of the data; of a submit in what is wanted
//	…          12
//	setup       8
type relay struct {
	usbipCable

	// hook is asked about every transfer on its way to the host (result) and from
	// it. What it returns goes on in its place; false holds it for ever.
	mu   sync.Mutex
	hook func(transfer) ([]byte, bool)

	err chan error
}

// transfer is what passes the relay.
type transfer struct {
	result   bool // else a submit
	in       bool
	endpoint uint32
	setup    [8]byte
	wanted   uint32 // of in: the room that the host has
	data     []byte // of an out's submit, of an in's result
	packets  int    // that it takes on the wire
}

func (x transfer) bulkOut() bool { return !x.result && !x.in && x.endpoint != 0 }
func (x transfer) bulkIn() bool  { return x.result && x.in && x.endpoint != 0 && len(x.data) > 0 }

const (
	headSize = 48
	submit   = 1
	unlink   = 2
	ret      = 3
)

func newRelay(t testing.TB) *relay {
	t.Helper()
	return &relay{usbipCable: newUSBIPCable(t), err: make(chan error, 8)}
}

// set has all further transfers pass a hook; nil lets all pass.
func (r *relay) set(hook func(transfer) ([]byte, bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = hook
}

func (r *relay) ask(x transfer) ([]byte, bool) {
	r.mu.Lock()
	hook := r.hook
	r.mu.Unlock()
	if hook == nil {
		return x.data, true
	}
	return hook(x)
}

// plug imports the device and attaches it.
func (r *relay) plug(*lab.PED) error {
	ped, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(r.port), 5*time.Second)
	if err != nil {
		return err
	}
	speed, err := importDevice(ped)
	if err != nil {
		ped.Close()
		return err
	}
	host, err := attach(speed)
	if err != nil {
		ped.Close()
		return err
	}
	p := &passage{relay: r, host: host, ped: ped, submits: map[uint32]transfer{}}
	go p.run(p.toPED)
	go p.run(p.toHost)
	return nil
}

// replug is plug as soon as softped has noticed that it was pulled.
func (r *relay) replug(t testing.TB, l *lab.Lab) {
	t.Helper()
	must(t, lab.Poll(0, "plugged in", func() error { return r.plug(l.PED()) }))
}

// importDevice asks for device 1-1 and returns its speed.
func importDevice(c net.Conn) (speed uint32, err error) {
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	defer c.SetDeadline(time.Time{})
	ask := make([]byte, 40)
	copy(ask, "\x01\x11\x80\x03\x00\x00\x00\x00"+"1-1")
	if _, err := c.Write(ask); err != nil {
		return 0, err
	}
	reply := make([]byte, 8+312)
	if _, err := io.ReadFull(c, reply[:8]); err != nil {
		return 0, err
	}
	if status := binary.BigEndian.Uint32(reply[4:]); status != 0 {
		return 0, fmt.Errorf("import refused: status %d", status)
	}
	if _, err := io.ReadFull(c, reply[8:]); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(reply[8+256+32+8:]), nil
}

// attach puts a socket on a free port of the virtual host controller and returns
// its other end.
func attach(speed uint32) (net.Conn, error) {
	free, _ := ports()
	if len(free) == 0 {
		return nil, errors.New("no port is free")
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "relay"), os.NewFile(uintptr(fds[1]), "relay")
	defer ours.Close()
	defer theirs.Close()
	line := fmt.Sprintf("%d %d %d %d", free[0], theirs.Fd(), 1<<16|2, speed)
	if err := os.WriteFile(filepath.Join(vhci, "attach"), []byte(line), 0); err != nil {
		return nil, err
	}
	return net.FileConn(ours)
}

// passage is one time that a relay is plugged in.
type passage struct {
	relay     *relay
	host, ped net.Conn

	mu      sync.Mutex
	submits map[uint32]transfer // under way, by seq
}

func (p *passage) run(way func() error) {
	err := way()
	p.host.Close()
	p.ped.Close()
	select {
	case p.relay.err <- err:
	default:
	}
}

// toPED carries submits and unlinks.
func (p *passage) toPED() error {
	r := bufio.NewReader(p.host)
	for {
		head := make([]byte, headSize)
		if _, err := io.ReadFull(r, head); err != nil {
			return err
		}
		be := binary.BigEndian
		if be.Uint32(head) != submit {
			if _, err := p.ped.Write(head); err != nil {
				return err
			}
			continue
		}
		x := transfer{in: be.Uint32(head[12:]) == 1, endpoint: be.Uint32(head[16:]), wanted: be.Uint32(head[24:]), setup: [8]byte(head[40:])}
		if !x.in {
			x.data = make([]byte, x.wanted)
			if _, err := io.ReadFull(r, x.data); err != nil {
				return err
			}
		}
		x.packets = packets(len(x.data))
		p.mu.Lock()
		p.submits[be.Uint32(head[4:])] = x
		p.mu.Unlock()
		data, ok := p.relay.ask(x)
		if !ok {
			continue
		}
		if !x.in {
			be.PutUint32(head[24:], uint32(len(data)))
			head = append(head, data...)
		}
		if _, err := p.ped.Write(head); err != nil {
			return err
		}
	}
}

// toHost carries results.
func (p *passage) toHost() error {
	r := bufio.NewReader(p.ped)
	for {
		head := make([]byte, headSize)
		if _, err := io.ReadFull(r, head); err != nil {
			return err
		}
		be := binary.BigEndian
		if be.Uint32(head) == ret {
			seq := be.Uint32(head[4:])
			p.mu.Lock()
			x := p.submits[seq]
			delete(p.submits, seq)
			p.mu.Unlock()
			out := x.data
			if x.data = nil; x.in {
				x.data = make([]byte, be.Uint32(head[24:]))
				if _, err := io.ReadFull(r, x.data); err != nil {
					return err
				}
				x.packets = packets(len(x.data))
			}
			x.result = true
			data, ok := p.relay.ask(x)
			if !ok {
				continue
			}
			if x.in {
				be.PutUint32(head[24:], uint32(len(data)))
				head = append(head, data...)
			} else {
				be.PutUint32(head[24:], uint32(len(out))) // all of it, whatever was made of it
			}
		}
		if _, err := p.host.Write(head); err != nil {
			return err
		}
	}
}

func packets(n int) int { return n/512 + 1 }
