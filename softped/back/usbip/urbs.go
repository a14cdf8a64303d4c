package usbip

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"openped/softped/back/usbdev"
)

// Caps and bounds.
const (
	maxTransfer = 1 << 20 // data of one transfer to the PED
	maxPending  = 256     // transfers that a host may have under way
	maxHeld     = 4 << 20 // data of all of them

	// stallTime is how long a host may take to send the rest of a command, or to
	// take an answer.
	stallTime = 10 * time.Second
)

// urbs carries the transfers between one host and the device.
type urbs struct {
	c       net.Conn
	r       *bufio.Reader
	d       *usbdev.Device
	answers chan answer   // has room for all that may be under way
	submits chan struct{} // one for each transfer until its answer is written
	unlinks chan struct{} // one for each unlink until its answer is written
	over    chan struct{} // the writer has gone

	mu      sync.Mutex
	pending map[uint32]*usbdev.Transfer
	held    int // bytes of data to the PED
}

// answer is bytes to the host, and the slot that is free when they are written.
type answer struct {
	b    []byte
	slot chan struct{}
}

// serve carries transfers until the connection or ctx ends; then the device is
// unplugged. It returns the reason, which is nil if the host went as it should.
func serve(ctx context.Context, c net.Conn, d *usbdev.Device) error {
	u := &urbs{
		c: c, r: bufio.NewReaderSize(c, 1<<16), d: d, answers: make(chan answer, 2*maxPending), submits: make(chan struct{}, maxPending),
		unlinks: make(chan struct{}, maxPending), over: make(chan struct{}), pending: map[uint32]*usbdev.Transfer{},
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	gone := make(chan struct{}) // the reader has
	var werr error
	go func() {
		defer close(u.over)
		werr = u.write(gone)
		c.Close()
	}()
	err := u.read()
	d.Unplug()
	close(gone)
	c.Close()
	<-u.over
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == io.EOF:
		return nil
	case errors.Is(err, net.ErrClosed) && werr != nil:
		return werr
	}
	return err
}

func (u *urbs) read() error {
	var head [headSize]byte
	for {
		if _, err := u.r.Peek(1); err != nil { // it may be silent for days
			return err
		}
		if err := u.rest(head[:]); err != nil {
			return err
		}
		c, err := parseCommand(head)
		if err == nil && c.unlink {
			err = u.unlink(c)
		} else if err == nil {
			err = u.submit(c)
		}
		if err != nil {
			return err
		}
	}
}

// rest reads what must follow soon.
func (u *urbs) rest(b []byte) error {
	if u.r.Buffered() < len(b) {
		_ = u.c.SetReadDeadline(time.Now().Add(stallTime))
		defer u.c.SetReadDeadline(time.Time{})
	}
	_, err := io.ReadFull(u.r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (u *urbs) submit(c command) error {
	t := &usbdev.Transfer{Endpoint: c.endpoint, Setup: usbdev.ParseSetup(c.setup), Room: int(min(c.length, maxTransfer))}
	if !c.in {
		if c.length > maxTransfer || !u.hold(int(c.length)) {
			return ErrProtocol
		}
		t.Data = make([]byte, c.length)
		if err := u.rest(t.Data); err != nil {
			return err
		}
	}
	if c.endpoint&0x7f == 0 && t.Setup.In() != c.in && t.Setup.Length != 0 {
		return ErrProtocol
	}
	select {
	case u.submits <- struct{}{}:
	default:
		return ErrProtocol // nobody needs so many
	}
	t.Done = func(s usbdev.Status, data []byte, taken int) {
		u.forget(c.seq)
		moved := taken
		if c.in {
			moved = len(data)
		}
		u.answers <- answer{submitted(c.seq, s, moved, data), u.submits}
	}
	if !u.remember(c.seq, t) {
		return ErrProtocol
	}
	u.d.Submit(t)
	return nil
}

// unlink takes a transfer back. One that was answered in the meantime has its
// answer before this one.
func (u *urbs) unlink(c command) error {
	u.mu.Lock()
	t := u.pending[c.victim]
	u.mu.Unlock()
	status := usbdev.StatusOK
	if t != nil && u.d.Cancel(t) {
		u.forget(c.victim)
		<-u.submits
		status = usbdev.StatusReset
	}
	select {
	case u.unlinks <- struct{}{}:
	case <-u.over:
		return net.ErrClosed
	}
	u.answers <- answer{unlinked(c.seq, status), u.unlinks}
	return nil
}

func (u *urbs) hold(n int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.held+n > maxHeld {
		return false
	}
	u.held += n
	return true
}

func (u *urbs) remember(seq uint32, t *usbdev.Transfer) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending[seq] != nil {
		return false
	}
	u.pending[seq] = t
	return true
}

func (u *urbs) forget(seq uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t := u.pending[seq]; t != nil {
		u.held -= len(t.Data)
		delete(u.pending, seq)
	}
}

func (u *urbs) write(gone <-chan struct{}) error {
	for {
		select {
		case a := <-u.answers:
			_ = u.c.SetWriteDeadline(time.Now().Add(stallTime))
			if _, err := u.c.Write(a.b); err != nil {
				return err
			}
			<-a.slot
		case <-gone:
			return nil
		}
	}
}
