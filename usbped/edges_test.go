package usbped

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// oddPort is a port that does not do what ports do.
type oddPort struct {
	read  func([]byte) (int, error)
	write func([]byte) (int, error)
	gone  chan struct{}
	once  *sync.Once
}

func newOddPort(read, write func([]byte) (int, error)) oddPort {
	return oddPort{read, write, make(chan struct{}), new(sync.Once)}
}

func (p oddPort) Read(b []byte) (int, error) {
	if p.read != nil {
		return p.read(b)
	}
	<-p.gone
	return 0, io.EOF
}

func (p oddPort) Write(b []byte) (int, error) {
	if p.write != nil {
		return p.write(b)
	}
	return len(b), nil
}

func (p oddPort) ReadEvent([]byte) (int, error)    { <-p.gone; return 0, io.EOF }
func (p oddPort) WriteEvent(b []byte) (int, error) { return len(b), nil }
func (p oddPort) Reset() error                     { return nil }
func (p oddPort) Close() error                     { p.once.Do(func() { close(p.gone) }); return nil }

// Ports that say nonsense end the connection.
func TestOddPorts(t *testing.T) {
	for name, p := range map[string]oddPort{
		"write is short":    newOddPort(nil, func(b []byte) (int, error) { return len(b) - 1, nil }),
		"write is long":     newOddPort(nil, func(b []byte) (int, error) { return len(b) + 1, nil }),
		"read is too long":  newOddPort(func(b []byte) (int, error) { return len(b) + 1, nil }, nil),
		"read is below 0":   newOddPort(func([]byte) (int, error) { return -1, nil }, nil),
		"read is empty":     newOddPort(func([]byte) (int, error) { return 0, nil }, nil),
		"read with its end": newOddPort(func(b []byte) (int, error) { return copy(b, "OP"), io.EOF }, nil),
	} {
		synctest.Test(t, func(t *testing.T) {
			h, err := NewPortHost(t.Context(), p)
			if h != nil || !errors.Is(err, ErrUnplugged) && !errors.Is(err, ErrNotPED) {
				t.Errorf("%s, host: %v", name, err)
			}
			if _, open := <-p.gone; open {
				t.Errorf("%s: not closed", name)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		hello := append(bytes.Clone(zeros[:]), frames(testToken.frame())...)
		p := newOddPort(nil, func(b []byte) (int, error) { return len(b) - 1, nil })
		p.read = func(b []byte) (n int, err error) {
			if n, hello = copy(b, hello), nil; n == 0 {
				<-p.gone
				err = io.EOF
			}
			return n, err
		}
		g := NewPortGadget(p, testInfo)
		if _, err := g.Recv(t.Context()); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("gadget whose write is short: %v", err)
		}
		g.Close()
	})
}

// A host that reads nothing from its socket is dropped.
func TestStreamHostTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := rawHost(t)
		begin := time.Now()
		if err := g.SendFrame(t.Context(), []byte{1}); !errors.Is(err, ErrUnplugged) && err != ErrNotOpen || time.Since(begin) != WriteTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		<-g.Done()
	})
	synctest.Test(t, func(t *testing.T) {
		g, _ := rawHost(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.SendFrame(ctx, []byte{1}); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}

func TestRefuseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := Refuse(ctx, b, testInfo); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// The token 0 is the gadget's own; a host that uses it is none.
func TestResetTokenZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		g := NewGadget(b, testInfo)
		defer g.Close()
		host := newPeer(t, a)
		host.send(typeReset, make([]byte, 8))
		if _, err := g.Recv(t.Context()); !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}

// Events that are queued before CANCELED count as said before it, on a socket
// too.
func TestEventsBeforeCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t)
		ctx := t.Context()
		go func() {
			token := take(t, g, HostCancel).Token
			for range 3 {
				_ = g.SendEvent(ctx, stateEvent)
			}
			_ = g.SendCanceled(ctx, token)
			_ = g.SendCanceled(ctx, token) // is answered
		}()
		if err := h.Cancel(ctx); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if m, err := h.Recv(ctx); err != nil || m.Event == nil || m.Dialogue != 0 {
				t.Errorf("%+v, %v", m, err)
			}
		}
		if err := h.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
}

// A flood of events is an overrun, too.
func TestEventFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ped := rawPED(t, testPayload)
		for range queueLen + 1 {
			ped.send(typeEvent, stateEvent.Encode())
		}
		synctest.Wait()
		if err := h.c.err(); !errors.Is(err, ErrOverrun) {
			t.Error(err)
		}
	})
}

// A program without USB knows the names of PEDs on a cable, and says why it
// cannot open them.
func TestBuiltWithoutUSB(t *testing.T) {
	for _, s := range []string{"usb", "usb:SP01"} {
		o, ok := ParseDevice(s, nil)
		if !ok || o.String() != s {
			t.Fatal(o)
		}
		if _, err := o.Open(t.Context()); err != ErrNotBuilt {
			t.Error(err)
		}
	}
	var got []string
	for _, s := range []string{"usb", "usb:SP01"} {
		ParseDevice(s, func(serial string) Opener { got = append(got, serial); return nil })
	}
	if len(got) != 2 || got[0] != "" || got[1] != "SP01" {
		t.Errorf("%q", got)
	}
}
