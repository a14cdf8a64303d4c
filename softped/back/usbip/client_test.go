package usbip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"openped/usbped"
)

// client is a USB/IP host, written from the protocol's description and not with
// the code under test.
type client struct {
	c net.Conn

	mu      sync.Mutex
	seq     uint32
	waiting map[uint32]chan returned
	lost    error // nothing comes any more
}

// returned is a RET_SUBMIT or a RET_UNLINK.
type returned struct {
	status int32
	n      int
	data   []byte
	unlink bool
}

var errLost = errors.New("connection lost")

func be(values ...any) []byte {
	var b bytes.Buffer
	for _, v := range values {
		if err := binary.Write(&b, binary.BigEndian, v); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// dialImport imports the device as "usbip attach" does.
func dialImport(t testing.TB, address string) (*client, []byte, uint32) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	record, status := importOver(t, c, "1-1")
	if status != 0 {
		return nil, nil, status
	}
	return newClient(c), record, 0
}

func importOver(t testing.TB, c net.Conn, bus string) (record []byte, status uint32) {
	t.Helper()
	id := make([]byte, 32)
	copy(id, bus)
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write(append(be(uint16(0x0111), uint16(0x8003), uint32(0)), id...)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(head[:4], be(uint16(0x0111), uint16(0x0003))) {
		t.Fatalf("answer %x", head)
	}
	if status = binary.BigEndian.Uint32(head[4:]); status != 0 {
		return nil, status
	}
	record = make([]byte, 312)
	if _, err := io.ReadFull(c, record); err != nil {
		t.Fatal(err)
	}
	return record, 0
}

func newClient(c net.Conn) *client {
	h := &client{c: c, waiting: map[uint32]chan returned{}}
	go h.read()
	return h
}

// read takes the answers. It must know which were asked with IN: an answer has
// data then.
func (h *client) read() {
	head := make([]byte, 48)
	for {
		var r returned
		var err error
		if _, err = io.ReadFull(h.c, head); err != nil {
			break
		}
		seq := binary.BigEndian.Uint32(head[4:])
		r.status = int32(binary.BigEndian.Uint32(head[20:]))
		r.unlink = binary.BigEndian.Uint32(head) == 4
		if !r.unlink {
			r.n = int(binary.BigEndian.Uint32(head[24:]))
			if seq&1 == 1 { // ours: odd numbers are IN
				r.data = make([]byte, r.n)
				if _, err = io.ReadFull(h.c, r.data); err != nil {
					break
				}
			}
		}
		h.mu.Lock()
		w := h.waiting[seq]
		delete(h.waiting, seq)
		h.mu.Unlock()
		if w == nil {
			panic("an answer that nobody asked for")
		}
		w <- r
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = errLost
	for _, w := range h.waiting {
		close(w)
	}
	h.waiting = nil
}

// submit sends a transfer; in has room bytes, out sends data.
func (h *client) submit(endpoint uint32, in bool, setup [8]byte, data []byte, room int) (seq uint32, answer chan returned) {
	answer = make(chan returned, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq += 2
	seq = h.seq
	direction, length := uint32(0), uint32(len(data))
	if in {
		seq, direction, length = seq|1, 1, uint32(room)
	}
	if h.lost != nil {
		close(answer)
		return seq, answer
	}
	h.waiting[seq] = answer
	b := be(uint32(1), seq, uint32(0x10002), direction, endpoint, uint32(0), length, uint32(0), uint32(0xffffffff), uint32(0), setup)
	_, _ = h.c.Write(append(b, data...)) // the reader sees what went wrong
	return seq, answer
}

func (h *client) unlink(victim uint32) chan returned {
	answer := make(chan returned, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq += 2
	if h.lost != nil {
		close(answer)
		return answer
	}
	h.waiting[h.seq] = answer
	_, _ = h.c.Write(be(uint32(2), h.seq, uint32(0x10002), uint32(0), uint32(0), victim, make([]byte, 24)))
	return answer
}

// control makes a control transfer and returns its data, or the status.
func (h *client) control(kind, request uint8, value, index, length uint16) ([]byte, int32) {
	setup := [8]byte{kind, request}
	binary.LittleEndian.PutUint16(setup[2:], value)
	binary.LittleEndian.PutUint16(setup[4:], index)
	binary.LittleEndian.PutUint16(setup[6:], length)
	_, answer := h.submit(0, kind&0x80 != 0, setup, nil, int(length))
	r, ok := <-answer
	if !ok {
		return nil, -1000
	}
	return r.data, r.status
}

// configure does what a kernel does with a new device.
func (h *client) configure(t testing.TB) {
	t.Helper()
	if _, status := h.control(0x80, 6, 0x0100, 0, 18); status != 0 {
		t.Fatal(status)
	}
	if _, status := h.control(0, 9, 1, 0, 0); status != 0 {
		t.Fatal(status)
	}
}

// port is a usbped.HostPort over the client: what a host program has in hand.
type port struct {
	h      *client
	closed chan struct{}
	once   sync.Once
}

var _ usbped.HostPort = (*port)(nil)

func (h *client) port() *port { return &port{h: h, closed: make(chan struct{})} }

func (p *port) Read(b []byte) (int, error)      { return p.in(2, b) }
func (p *port) ReadEvent(b []byte) (int, error) { return p.in(3, b) }

func (p *port) Write(b []byte) (int, error) {
	r, err := p.transfer(1, false, b, 0)
	return r.n, err
}

// Close ends the program, not the cable.
func (p *port) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Reset is what the other side sees of one: the device is configured again.
func (p *port) Reset() error {
	_, status := p.h.control(0, 9, 1, 0, 0)
	return failed(status)
}

func (p *port) in(endpoint uint32, b []byte) (int, error) {
	for {
		r, err := p.transfer(endpoint, true, nil, len(b))
		if err != nil || r.n > 0 {
			return copy(b, r.data), err
		}
	}
}

// transfer takes the transfer back if the port is closed meanwhile.
func (p *port) transfer(endpoint uint32, in bool, data []byte, room int) (returned, error) {
	seq, answer := p.h.submit(endpoint, in, [8]byte{}, data, room)
	select {
	case r, ok := <-answer:
		if !ok {
			return r, usbped.ErrUnplugged
		}
		return r, failed(r.status)
	case <-p.closed:
		<-p.h.unlink(seq)
		return returned{}, usbped.ErrClosed
	}
}

func failed(status int32) error {
	if status == 0 {
		return nil
	}
	return usbped.ErrUnplugged
}
