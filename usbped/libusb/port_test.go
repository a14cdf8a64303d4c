package libusb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"openped/usbped"
)

// claimed returns a port to d.
func claimed(t *testing.T, f *fake, d *device) (*port, *calls) {
	t.Helper()
	f.devices = []*device{d}
	o := newOpener(f, oneSpot, "")
	p, err := o.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p.(*port), o.calls
}

// each does something with each of the three ways of a port.
func each(p *port, do func(what string, call func() error)) {
	b := make([]byte, readSize)
	do("read", func() error { _, err := p.Read(b); return err })
	do("event", func() error { _, err := p.ReadEvent(b); return err })
	do("write", func() error { _, err := p.Write(b); return err })
}

// TestUnplugged: the cable is pulled while all three wait, and every call says so.
func TestUnplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := new(fake), aPED("P1")
		d.out = make(chan []byte) // takes nothing
		p, _ := claimed(t, f, d)
		errs := make(chan error, 3)
		each(p, func(_ string, call func() error) { go func() { errs <- call() }() })
		synctest.Wait()
		close(d.gone)
		for range 3 {
			if err := <-errs; !errors.Is(err, usbped.ErrUnplugged) {
				t.Error(err)
			}
		}
		each(p, func(what string, call func() error) {
			if err := call(); !errors.Is(err, usbped.ErrUnplugged) {
				t.Error(what, err)
			}
		})
		p.Close()
		f.nothingOpen(t)
	})
}

// TestTransferFailures: what each failure of a transfer means to who waits.
func TestTransferFailures(t *testing.T) {
	for f, want := range map[error]error{
		failNoDevice: usbped.ErrUnplugged, failIO: usbped.ErrUnplugged, failNotFound: usbped.ErrUnplugged,
		failStall: failStall, failTimeout: failTimeout, failOverflow: usbped.ErrCorrupt, failCancelled: usbped.ErrClosed, io.ErrNoProgress: io.ErrNoProgress,
	} {
		for _, call := range []string{"read", "event", "write"} {
			synctest.Test(t, func(t *testing.T) {
				fk := &fake{do: func(c string) error {
					if c == call {
						return f
					}
					return nil
				}}
				p, _ := claimed(t, fk, aPED("P1"))
				each(p, func(what string, do func() error) {
					if what != call {
						return
					}
					if err := do(); !errors.Is(err, want) {
						t.Errorf("%v of %s: %v", f, call, err)
					}
				})
				p.Close()
				fk.nothingOpen(t)
			})
		}
	}
}

// TestPieces: a reader with little room gets all of a transfer, empty transfers
// are none, and order is kept.
func TestPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := new(fake), aPED("P1")
		p, _ := claimed(t, f, d)
		var want, got []byte
		go func() {
			for i := range 50 {
				b := bytes.Repeat([]byte{byte(i)}, i*7)
				want = append(want, b...)
				d.in <- b
			}
			close(d.gone)
		}()
		b := make([]byte, 13)
		for {
			n, err := p.Read(b)
			if err != nil {
				break
			}
			if n == 0 {
				t.Fatal("nothing read")
			}
			got = append(got, b[:n]...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
		p.Close()
		f.nothingOpen(t)
	})
}

func TestShortWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{devices: []*device{aPED("P1")}}
		o := newOpener(f, oneSpot, "")
		s, err := o.get(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		s.transfers.write = func(_ context.Context, b []byte) (int, error) { return len(b) - 1, nil }
		p := newPort(o.calls, s)
		if n, err := p.Write([]byte{1, 2}); n != 1 || err != io.ErrShortWrite {
			t.Error(n, err)
		}
		p.Close()
		f.nothingOpen(t)
	})
}

// TestClose: ends who waits, twice does no harm, and the claim is given back.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := new(fake), aPED("P1")
		d.out = make(chan []byte)
		p, _ := claimed(t, f, d)
		errs := make(chan error, 3)
		each(p, func(_ string, call func() error) { go func() { errs <- call() }() })
		synctest.Wait()
		go p.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		for range 3 {
			if err := <-errs; err != usbped.ErrClosed {
				t.Error(err)
			}
		}
		each(p, func(what string, call func() error) {
			if err := call(); err != usbped.ErrClosed {
				t.Error(what, err)
			}
		})
		if err := p.Reset(); err != usbped.ErrClosed {
			t.Error(err)
		}
		f.nothingOpen(t)
	})
}

// TestCloseHangs: transfers that cannot be cancelled, and a release that does not
// return, are left behind, and counted; they clean up in the end.
func TestCloseHangs(t *testing.T) {
	for _, call := range []string{"end", "release", "close"} {
		synctest.Test(t, func(t *testing.T) {
			free := make(chan struct{})
			f := &fake{do: func(c string) error {
				if c == call {
					<-free
				}
				return nil
			}}
			p, calls := claimed(t, f, aPED("P1"))
			go p.Write([]byte{1})
			synctest.Wait()
			begin := time.Now()
			if err := p.Close(); !errors.Is(err, usbped.ErrMute) || time.Since(begin) != stepTime {
				t.Error(call, err, time.Since(begin))
			}
			if calls.hung != 1 {
				t.Error(call, calls.hung)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if err := p.Reset(); err != usbped.ErrClosed {
				t.Error(err)
			}
			close(free)
			synctest.Wait()
			if calls.hung != 0 {
				t.Error(call, calls.hung)
			}
			f.nothingOpen(t)
		})
	}
}

// TestResetOfPort: ends the transfers, and leaves the port to Close, even if it
// hangs.
func TestResetOfPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		p, _ := claimed(t, f, aPED("P1"))
		if err := p.Reset(); err != nil {
			t.Error(err)
		}
		each(p, func(what string, call func() error) {
			if err := call(); err != usbped.ErrClosed {
				t.Error(what, err)
			}
		})
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		f.nothingOpen(t)
	})
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		f := &fake{do: func(c string) error {
			if c == "reset" {
				<-free
			}
			return nil
		}}
		p, calls := claimed(t, f, aPED("P1"))
		if err := p.Reset(); !errors.Is(err, usbped.ErrMute) || calls.hung != 1 {
			t.Error(err, calls.hung)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		close(free)
		synctest.Wait()
		f.nothingOpen(t)
	})
}

// TestManyTimes: nothing grows from one opening to the next. What were left
// running at the end of a bubble is an error of its own.
func TestManyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, calls := new(fake), new(calls)
		for i := range 200 {
			d := aPED("P1")
			f.devices = []*device{d}
			o := newOpener(f, oneSpot, "")
			o.calls = calls
			p, err := o.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				close(d.gone)
				if _, err := p.Read(make([]byte, readSize)); !errors.Is(err, usbped.ErrUnplugged) {
					t.Fatal(err)
				}
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			f.nothingOpen(t)
		}
	})
}
