package pedserver

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"openped/protocol"
	"openped/usbped"
)

// state checks show, JSON and the metrics for one state.
func (w *world) state(word, remedy string) {
	w.t.Helper()
	st := w.srv.Status()
	if st.PED.State != word || !strings.Contains(st.PED.Remedy, remedy) || (st.PED.Remedy == "") != (word == "ready") {
		w.t.Errorf("state %q, remedy %q; want %q, %q", st.PED.State, st.PED.Remedy, word, remedy)
	}
	if text := show(st); word != "busy" && remedy != "" && !strings.Contains(text, remedy) {
		w.t.Errorf("show has not %q:\n%s", remedy, text)
	}
	var is []string
	for _, s := range usbped.States() {
		var b strings.Builder
		b.WriteString("# HELP pedserver_ped_state 1 for the state that the PED is in.\n# TYPE pedserver_ped_state gauge\n")
		for _, other := range usbped.States() {
			v := " 0\n"
			if other == s {
				v = " 1\n"
			}
			b.WriteString(`pedserver_ped_state{state="` + other.String() + `"}` + v)
		}
		if testutil.CollectAndCompare(w.srv.Collector(), strings.NewReader(b.String()), "pedserver_ped_state") == nil {
			is = append(is, s.String())
		}
	}
	if len(is) != 1 || is[0] != word {
		w.t.Errorf("the metrics say %v, want %q", is, word)
	}
}

// refused is what an HSM host is told that asks for the PED.
func (w *world) refused() protocol.LinkErr {
	w.t.Helper()
	h := w.dial("10.0.0.9")
	h.hello()
	h.send(protocol.Acquire{HSMSerial: "H9"})
	return want[protocol.Error](h).Code
}

// Whatever keeps the PED from serving has a name, a remedy, and a word for the
// HSM host.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		word   string
		err    error
		remedy string
		told   protocol.LinkErr
	}{
		{"no-ped", usbped.ErrNoDevice, "plug the PED in", protocol.LinkErrNoPED},
		{"unplugged", usbped.ErrUnplugged, "plug the PED in again", protocol.LinkErrNoPED},
		{"no-access", &usbped.AccessError{Path: "/dev/bus/usb/001/002"}, usbped.UdevRule, protocol.LinkErrPEDUnusable},
		{"held", &usbped.HeldError{Process: "updater", PID: 77}, "stop updater (process 77)", protocol.LinkErrPEDUnusable},
		{"held", usbped.ErrInUse, "stop the other", protocol.LinkErrPEDUnusable},
		{"several", &usbped.SeveralError{Serials: []string{"A", "B"}}, "-peddevice usb:A or -peddevice usb:B", protocol.LinkErrPEDUnusable},
		{"not-a-ped", usbped.ErrNotPED, "compare the releases", protocol.LinkErrPEDUnusable},
		{"no-usb", usbped.ErrNoUSB, "/dev/bus/usb", protocol.LinkErrPEDUnusable},
		{"not-built", usbped.ErrNotBuilt, "release with USB", protocol.LinkErrPEDUnusable},
	} {
		t.Run(c.word, func(t *testing.T) {
			inWorld(t, Config{}, func(w *world) {
				w.plug.change(func(p *plug) { p.lack = c.err })
				w.plug.set(false)
				time.Sleep(time.Second)
				w.state(c.word, c.remedy)
				if told := w.refused(); told != c.told {
					t.Errorf("the HSM host is told %v", told)
				}
				var several *usbped.SeveralError
				if d := w.srv.Status().PED.Devices; errors.As(c.err, &several) != (len(d) == 2) {
					t.Errorf("devices %q", d)
				}
				w.plug.change(func(p *plug) { p.lack = nil })
				w.plug.set(true)
				time.Sleep(time.Second)
				w.state("ready", "")
				w.acquire("10.0.0.1", true)
				w.state("busy", "wait")
			})
		})
	}
}

// What a PED that is there says of itself is a state, too.
func TestStatesOfThePED(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.state("ready", "")
		say := func(mode protocol.PEDMode, busy bool) {
			_ = w.plug.now().gadget.SendEvent(t.Context(), protocol.PEDEvent{Kind: protocol.EvtState, Mode: mode, Busy: busy})
			time.Sleep(time.Millisecond)
		}
		say(protocol.PEDModeRemote, true)
		w.state("busy", "wait")
		say(protocol.PEDModeLocal, false)
		w.state("wrong-mode", "choose Remote PED")
		if told := w.refused(); told != protocol.LinkErrPEDMode {
			t.Errorf("the HSM host is told %v", told)
		}
		say(protocol.PEDModeRemote, false)
		w.state("ready", "")
	})
}

// Who calls while the operator leaves a menu gets the PED: the word of it may be on
// its way. A PED that stays in the menu is refused a moment later.
func TestLeavesTheMenu(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		say := func(mode protocol.PEDMode) {
			_ = w.plug.now().gadget.SendEvent(t.Context(), protocol.PEDEvent{Kind: protocol.EvtState, Mode: mode})
			time.Sleep(time.Millisecond)
		}
		say(protocol.PEDModeAdmin)
		time.AfterFunc(grace/2, func() { say(protocol.PEDModeLocal); say(protocol.PEDModeRemote) })
		w.acquire("10.0.0.1", true).send(protocol.Release{})
		time.Sleep(time.Second)
		say(protocol.PEDModeAdmin)
		begin := time.Now()
		if told := w.refused(); told != protocol.LinkErrPEDMode {
			t.Errorf("the HSM host is told %v", told)
		}
		if d := time.Since(begin); d < grace || d > 2*grace+linger {
			t.Errorf("after %v", d)
		}
	})
}

// The PEDs that are plugged in are listed where the system tells them; one that is
// replaced by another is lost and found.
func TestReplacedByAnother(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		if d := w.srv.Status().PED.Devices; len(d) != 1 || d[0] != "P1" {
			t.Errorf("devices %q", d)
		}
		h := w.acquire("10.0.0.1", true)
		w.plug.change(func(p *plug) { p.serial, p.seen = "P2", []string{"P2"} })
		w.plug.set(false)
		w.plug.set(true)
		if code := h.last(); code != protocol.LinkErrPEDLost {
			t.Errorf("%v", code)
		}
		time.Sleep(time.Second)
		st := w.srv.Status()
		if st.PED.Serial != "P2" || len(st.PED.Devices) != 1 || st.PED.Devices[0] != "P2" || st.Counters.PEDLosses != 1 {
			t.Errorf("%+v", st.PED)
		}
		// Another than the one that was named.
		w.plug.change(func(p *plug) { p.seen, p.lack = []string{"P3"}, usbped.ErrNoDevice })
		w.plug.set(false)
		time.Sleep(time.Second)
		w.state("no-ped", "plug the PED in")
		if text := show(w.srv.Status()); !strings.Contains(text, "  Ped2 Devices:             P3\n") {
			t.Error(text)
		}
	})
}

// resetsOf is what was counted, by the cable and by the server.
func (w *world) resets() int {
	w.t.Helper()
	w.plug.mu.Lock()
	defer w.plug.mu.Unlock()
	if n := w.srv.Status().Counters.PEDResets; int(n) != w.plug.resets {
		w.t.Errorf("%d resets counted, %d made", n, w.plug.resets)
	}
	return w.plug.resets
}

// F-02: a PED that is blank after a cold start has to be power-cycled by hand.
// Here its port is reset first, and nobody notices.
func TestF02MutePEDWakes(t *testing.T) {
	for _, wakes := range []int{1, 2, 3} {
		inWorld(t, Config{}, func(w *world) {
			w.plug.change(func(p *plug) {
				p.lack = usbped.ErrMute
				p.reset = func() error {
					time.Sleep(time.Second)
					w.state("mute", "wait")
					p.change(func(p *plug) {
						if p.lack = usbped.ErrNoDevice; p.resets < wakes {
							p.lack = usbped.ErrMute
						}
					})
					if p.resets >= wakes {
						time.AfterFunc(2*time.Second, func() { p.change(func(p *plug) { p.lack = nil }) }) // it starts
					}
					return nil
				}
			})
			w.plug.set(false)
			w.plug.set(true)
			time.Sleep(20 * time.Second)
			w.state("ready", "")
			if n := w.resets(); n != wakes {
				t.Errorf("%d resets, want %d", n, wakes)
			}
			w.acquire("10.0.0.1", true)
		})
	}
}

// One that stays mute gets a few resets, and then a person is asked; who replugs
// it gives it as many again.
func TestMutePEDStays(t *testing.T) {
	for name, reset := range map[string]error{"reset": nil, "cannot be reset": usbped.ErrUnplugged} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Config{}, func(w *world) {
				w.plug.change(func(p *plug) { p.lack, p.reset = usbped.ErrMute, func() error { return reset } })
				w.plug.set(false)
				time.Sleep(3 * time.Second)
				w.state("mute", "wait some seconds")
				if told := w.refused(); told != protocol.LinkErrPEDMute {
					t.Errorf("the HSM host is told %v", told)
				}
				time.Sleep(10 * time.Minute)
				w.state("mute", "unplug the PED and plug it in again")
				if n := w.resets(); n != len(wakePauses) {
					t.Errorf("%d resets", n)
				}
				w.plug.change(func(p *plug) { p.lack = usbped.ErrNoDevice })
				time.Sleep(time.Second)
				w.plug.change(func(p *plug) { p.lack = usbped.ErrMute })
				time.Sleep(time.Minute)
				if n := w.resets(); n != 2*len(wakePauses) {
					t.Errorf("%d resets after a replug", n)
				}
				w.plug.change(func(p *plug) { p.lack = nil })
				w.plug.set(true)
				time.Sleep(time.Second)
				w.state("ready", "")
			})
		})
	}
}

// A PED that is away after each reset, or answers and is mute again at once, is
// not reset for ever.
func TestMutePEDInCircles(t *testing.T) {
	for name, after := range map[string]error{"away": usbped.ErrNoDevice, "well for a while": nil} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Config{}, func(w *world) {
				mute := func() { w.plug.change(func(p *plug) { p.lack = usbped.ErrMute }); w.plug.set(false) }
				w.plug.change(func(p *plug) {
					p.reset = func() error {
						p.change(func(p *plug) { p.lack, p.here = after, true })
						time.AfterFunc(2*time.Second, mute)
						return nil
					}
				})
				mute()
				time.Sleep(10 * time.Minute)
				w.state("mute", "unplug the PED")
				if n := w.resets(); n != len(wakePauses) {
					t.Errorf("%d resets", n)
				}
			})
		})
	}
}

// A pedserver that stops is still asked for its state.
func TestStatusWhileStopping(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		time.Sleep(time.Second)
		w.state("ready", "")
		w.stop()
		w.done <- <-w.done
		if st := w.srv.Status().PED; st.Connected || st.State != "unplugged" {
			t.Errorf("%+v", st)
		}
	})
}

// A PED that did not go idle is called that until it is opened again.
func TestStatusAfterNotIdle(t *testing.T) {
	p := newPED(&Config{Log: testLog(t.Output()), Opener: new(plug)}, new(settings), newCounts())
	dev := &mute{closed: make(chan struct{}, 1)}
	h := &hold{dev: dev, lost: make(chan struct{}), free: make(chan struct{})}
	p.holder, p.lack = h, errNotIdle // as release leaves it
	p.detach(dev, usbped.ErrClosed)
	if st := p.status(); st.State != "mute" {
		t.Errorf("%+v", st)
	}
	if h.loss.Code != protocol.LinkErrPEDMute {
		t.Errorf("the holder is told %v", h.loss)
	}
}
