package pedserver

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"openped/protocol"
	"openped/usbped"
)

// stuck is a device of which some calls do not return, whatever is done.
type stuck struct {
	usbped.Device
	calls *stuckCalls
}

// stuckCalls are which calls, of all devices.
type stuckCalls struct {
	mu    sync.Mutex
	names []string
	freed chan struct{} // closed when they return after all
	under int           // hanging now
	most  int
}

func (s *stuckCalls) set(names ...string) { s.mu.Lock(); s.names = names; s.mu.Unlock() }

func (s *stuckCalls) wait(name string) {
	s.mu.Lock()
	hangs := slices.Contains(s.names, name)
	if hangs {
		s.under++
		s.most = max(s.most, s.under)
	}
	s.mu.Unlock()
	if hangs {
		<-s.freed
		s.mu.Lock()
		s.under--
		s.mu.Unlock()
	}
}

func (s stuck) Send(ctx context.Context, b []byte) error {
	s.calls.wait("Send")
	return s.Device.Send(ctx, b)
}
func (s stuck) Cancel(ctx context.Context) error { s.calls.wait("Cancel"); return s.Device.Cancel(ctx) }
func (s stuck) Ping(ctx context.Context) error   { s.calls.wait("Ping"); return s.Device.Ping(ctx) }
func (s stuck) Close() error                     { s.calls.wait("Close"); return s.Device.Close() }

func (s stuck) Recv(ctx context.Context) (usbped.Message, error) {
	s.calls.wait("Recv")
	return s.Device.Recv(ctx)
}

// inStuckWorld is inWorld with a PED some of whose calls hang once they are set.
func inStuckWorld(t *testing.T, f func(*world, *stuckCalls)) {
	var calls *stuckCalls
	t.Helper()
	inWorldWith(t, func(*testing.T) Config {
		calls = &stuckCalls{freed: make(chan struct{})}
		return Config{}
	}, func(w *world) {
		// The PED of before is opened anew, with what can hang.
		w.plug.set(false)
		time.Sleep(time.Second)
		w.plug.change(func(p *plug) {
			p.wrap = func(d usbped.Device) usbped.Device { return stuck{d, calls} }
			p.hang = func() { calls.wait("Open") }
		})
		w.plug.set(true)
		time.Sleep(time.Second)
		defer time.Sleep(time.Second)
		defer func() {
			select {
			case <-calls.freed:
			default:
				close(calls.freed)
			}
		}()
		f(w, calls)
	})
}

// A PED that hangs in a call holds up neither show nor the pings of the link nor
// the end, and serves again when it is well.
func TestCallsThatHang(t *testing.T) {
	every := []string{"Send", "Recv", "Ping", "Cancel", "Close", "Open"}
	for name, hanging := range map[string][]string{
		"Send": {"Send"}, "Recv": {"Recv"}, "Ping": {"Ping"}, "Cancel": {"Cancel"}, "Close": {"Close"}, "Open": {"Open"}, "all": every,
	} {
		for _, stop := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inStuckWorld(t, func(w *world, calls *stuckCalls) {
					h := w.acquire("10.0.0.1", true)
					calls.set(hanging...)
					h.send(protocol.PEDFrame{Bytes: []byte{1}})
					w.plug.now().event(protocol.EvtState) // Recv returns once more
					h.pings.Store(0)
					close(h.mute) // while Send hangs nobody reads from the host
					time.Sleep(2500 * time.Millisecond)
					if n := h.pings.Load(); n < 2 {
						t.Errorf("%d pings", n)
					}
					begin := time.Now()
					w.srv.Status()
					if d := time.Since(begin); d > 0 {
						t.Errorf("show took %v", d)
					}
					if stop {
						w.stop()
						begin := time.Now()
						if err := <-w.done; err != nil {
							t.Error(err)
						}
						w.done <- nil
						if d, most := time.Since(begin), w.srv.ped.releaseWait()+closeWait+linger; d > most {
							t.Errorf("the end took %v, more than %v", d, most)
						}
						return
					}
					h.c.Close()
					time.Sleep(100 * time.Millisecond)
					w.plug.set(false) // the cable is pulled, which libusb need not tell
					w.plug.set(true)
					time.Sleep(5 * time.Minute)
					begin = time.Now()
					st := w.srv.Status()
					if d := time.Since(begin); d > 0 {
						t.Errorf("show took %v", d)
					}
					calls.mu.Lock()
					if calls.most > maxHung+len(every) || calls.most == 0 && !slices.Contains(hanging, "Recv") {
						t.Errorf("%d calls hung at once", calls.most)
					}
					if st.PED.Hanging > calls.under || st.PED.Hanging < calls.under-1 { // one may be waited for yet
						t.Errorf("%d calls are said to hang, %d do", st.PED.Hanging, calls.under)
					}
					calls.mu.Unlock()
					if st.PED.Hanging >= maxHung {
						w.state("mute", "restart pedserver")
					}
					calls.set()
					close(calls.freed)
					time.Sleep(15 * time.Second)
					w.state("ready", "")
					w.acquire("10.0.0.1", true)
				})
			})
		}
	}
}

// last is why the server ends the link, whatever it has to say before.
func (h *host) last() protocol.LinkErr {
	h.t.Helper()
	for {
		switch b := h.next().(type) {
		case protocol.Error:
			return b.Code
		case nil:
			h.t.Fatal("the link ended without a word")
		}
	}
}

// A cable pulled at any moment ends the dialogue within 2 s, with the right name,
// and the PED serves when it is back.
func TestUnplugAtEveryMoment(t *testing.T) {
	for name, moment := range map[string]func(*world, *host){
		"idle": func(*world, *host) {},
		"in a frame to the PED": func(w *world, h *host) {
			close(h.mute)                        // nobody reads from the host meanwhile
			w.plug.now().conn.silent.Store(true) // it stops reading
			h.send(protocol.PEDFrame{Bytes: make([]byte, protocol.MaxPEDFrame)})
			time.Sleep(time.Second)
		},
		"after a frame of the PED": func(w *world, h *host) { w.plug.now().frame(make([]byte, 1000)) },
		"in a ping":                func(w *world, h *host) { w.plug.now().conn.silent.Store(true); time.Sleep(1500 * time.Millisecond) },
		"in a dialogue": func(w *world, h *host) {
			_ = w.plug.now().gadget.SendEvent(w.t.Context(), protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote, Busy: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Config{}, func(w *world) {
				for range 3 {
					h := w.acquire("10.0.0.1", true)
					moment(w, h)
					pulled := time.Now()
					w.plug.set(false)
					if code := h.last(); code != protocol.LinkErrPEDLost || time.Since(pulled) > 2*time.Second {
						t.Errorf("%v after %v", code, time.Since(pulled))
					}
					time.Sleep(time.Second)
					w.state("no-ped", "plug the PED in")
					w.plug.set(true)
					time.Sleep(time.Second)
					w.state("ready", "")
				}
				if n := w.srv.Status().Counters.PEDLosses; n != 3 {
					t.Errorf("%d losses", n)
				}
			})
		})
	}
	// While the PED is being made idle there is nobody to tell; the next one waits
	// and is told that there is none.
	t.Run("while it goes idle", func(t *testing.T) {
		inWorld(t, Config{}, func(w *world) {
			h := w.acquire("10.0.0.1", true)
			w.plug.now().conn.silent.Store(true)
			h.send(protocol.Release{})
			time.Sleep(time.Millisecond)
			w.plug.set(false)
			if told := w.refused(); told != protocol.LinkErrNoPED {
				t.Errorf("%v", told)
			}
			w.plug.set(true)
			time.Sleep(time.Second)
			w.acquire("10.0.0.1", true)
		})
	})
}

// F-29: pedserver gives the PED up for another program, and goes on.
func TestF29Release(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		ped := w.plug.now()
		if err := w.srv.ReleasePED(w.t.Context(), false); !errors.Is(err, ErrTaken) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Second)
		if h.ended() || w.srv.Status().PED.State != "busy" {
			t.Error("a release that was refused has done something")
		}
		if err := w.srv.ReleasePED(w.t.Context(), true); err != nil {
			t.Error(err)
		}
		if code := h.last(); code != protocol.LinkErrPEDReleased {
			t.Errorf("%v", code)
		}
		ped.next(t, usbped.HostCancel) // it was made idle first
		if _, err := ped.conn.Write([]byte{0}); err == nil {
			t.Error("the PED is still open after the release")
		}
		opens := w.plug.opens
		time.Sleep(time.Hour)
		if w.plug.opens != opens {
			t.Error("the PED was opened while another program has it")
		}
		w.state("released", "-mode claim")
		if told := w.refused(); told != protocol.LinkErrPEDReleased {
			t.Errorf("the HSM host is told %v", told)
		}
		if err := w.srv.ReleasePED(w.t.Context(), false); err != nil {
			t.Errorf("again: %v", err)
		}
		if st := w.srv.ClaimPED(); st.State != "ready" || st.Serial != "P1" {
			t.Errorf("%+v", st)
		}
		if st := w.srv.ClaimPED(); st.State != "ready" {
			t.Errorf("again: %+v", st)
		}
		time.Sleep(time.Millisecond) // the PED says how it is
		w.acquire("10.0.0.1", true)
		if n := w.srv.Status().Counters.PEDLosses; n != 0 {
			t.Errorf("%d losses", n)
		}
	})
	// The other program has it still when it is claimed.
	inWorld(t, Config{}, func(w *world) {
		if err := w.srv.ReleasePED(w.t.Context(), false); err != nil {
			t.Error(err)
		}
		w.plug.change(func(p *plug) { p.lack = &usbped.HeldError{Process: "updater", PID: 77} })
		if st := w.srv.ClaimPED(); st.State != "held" {
			t.Errorf("%+v", st)
		}
		w.state("held", "updater (process 77)")
		w.plug.change(func(p *plug) { p.lack = nil })
		time.Sleep(time.Second)
		w.state("ready", "")
	})
	// It is given up while it is being opened, and while none is there.
	inStuckWorld(t, func(w *world, calls *stuckCalls) {
		calls.set("Close")
		begin := time.Now()
		if err := w.srv.ReleasePED(w.t.Context(), false); !errors.Is(err, ErrHangs) && err != nil || time.Since(begin) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		w.state("released", "-mode claim")
	})
	inWorld(t, Config{}, func(w *world) {
		w.plug.set(false)
		time.Sleep(time.Second)
		if err := w.srv.ReleasePED(w.t.Context(), false); err != nil {
			t.Error(err)
		}
		w.state("released", "-mode claim")
		if st := w.srv.ClaimPED(); st.State != "no-ped" {
			t.Errorf("%+v", st)
		}
	})
}
