package pedclient

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/internal/localsock"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/usbped"
)

// A new HSM gets its keys at the local PED, and from then on a remote one serves
// it with the orange key that was made there.
func TestLocalThenRemote(t *testing.T) {
	withLocal(t, 1, func(t *testing.T, w *world, p *port) {
		u := w.user()
		p.initialized(w, u)
		p.ped.Insert(blues...)
		u.must(hsmapi.Login, so())
		show := u.must(hsmapi.PedShow, slot1())
		device, _ := show.Text(hsmapi.TagDevice)
		if host, has := show.Text(hsmapi.TagHost); !show.Bool(hsmapi.TagLocal) || device != "usb" || has || show.Has(hsmapi.TagTLS) {
			t.Errorf("ped show: local %v, device %q, host %q", show.Bool(hsmapi.TagLocal), device, host)
		}
		if text := strings.Join(show.Texts(hsmapi.TagText), " "); !strings.Contains(text, "local") || !strings.Contains(text, "says the PED.") {
			t.Errorf("ped show: %s", text)
		}
		st := w.c.Status().Slots[0]
		if !st.Local || st.PEDDevice != "usb" || !st.Connected || !st.Proven || st.PEDServer != "" || st.PEDSerial != "PED0001" {
			t.Errorf("status: %+v", st)
		}
		var text strings.Builder
		w.c.Status().Show(&text)
		if !strings.Contains(text.String(), "Local PED:               usb\n") || strings.Contains(text.String(), "  PEDserver:") {
			t.Errorf("show: %s", text.String())
		}

		u.must(hsmapi.PedDisconnect, slot1())
		if p.open() {
			t.Error("the device is not given back")
		}
		u.fails(hsmapi.ChangePIN, so(), hsmapi.CKR_PED_UNPLUGGED, "")
		if p.open() {
			t.Error("opened again after ped disconnect")
		}
		u.must(hsmapi.PedConnect, remotePED(1))
		w.peds[0].Insert(orange)
		w.peds[0].Insert(blues...)
		u.must(hsmapi.Logout, so())
		u.must(hsmapi.Login, so())
		if st := w.c.Status().Slots[0]; st.Local || st.PEDDevice != "" || st.PEDServer == "" {
			t.Errorf("status: %+v", st)
		}
	})
}

// What stands in the way is said with what to do, and the device is not kept.
func TestLocalRefused(t *testing.T) {
	withLocal(t, 1, func(t *testing.T, w *world, p *port) {
		u := w.user()
		for name, c := range map[string]struct {
			set   func()
			in    hsmapi.Fields
			code  hsmapi.Code
			words string
			after time.Duration
		}{
			"remote mode":     {func() { p.mode = protocol.PEDModeRemote }, localPED(1), hsmapi.CKR_PED_REFUSED, "PED PED0001 is in mode remote, and a local connection needs mode local; choose it at the PED: press <, then 0", 0},
			"pair mode":       {func() { p.mode = protocol.PEDModePair }, localPED(1), hsmapi.CKR_PED_REFUSED, "is in mode pair", 0},
			"in its menu":     {func() { p.mode = protocol.PEDModeAdmin }, localPED(1), hsmapi.CKR_PED_REFUSED, "shows its menu", 0},
			"says nothing":    {func() { p.quiet = true }, localPED(1), hsmapi.CKR_PED_UNPLUGGED, "does not say which mode", cableState},
			"none":            {func() { p.empty = true }, localPED(1), hsmapi.CKR_PED_UNPLUGGED, "no PED found", 0},
			"pedserver's":     {func() { p.err = &usbped.HeldError{Process: "pedserver", PID: 4711} }, localPED(1), hsmapi.CKR_PED_BUSY, "PED in use by pedserver (process 4711); stop pedserver (process 4711)", 0},
			"somebody's":      {func() { p.err = usbped.ErrInUse }, localPED(1), hsmapi.CKR_PED_BUSY, "PED in use by another program", cableLeave + 20*time.Millisecond},
			"mute":            {func() { p.err = usbped.ErrMute }, localPED(1), hsmapi.CKR_PED_UNPLUGGED, "PED does not answer; unplug the PED and plug it in again", 2 * time.Second},
			"several":         {func() { p.err = &usbped.SeveralError{Serials: []string{"A1", "B2"}} }, localPED(1), hsmapi.CKR_PED_UNPLUGGED, "-peddevice usb:A1 or -peddevice usb:B2", 0},
			"no permission":   {func() { p.err = &usbped.AccessError{Path: "/dev/bus/usb/001/002"} }, localPED(1), hsmapi.CKR_PED_UNPLUGGED, "/etc/udev/rules.d/70-openped.rules", 0},
			"hangs":           {func() { p.opening = make(chan struct{}) }, localPED(1), hsmapi.CKR_PED_UNPLUGGED, "does not answer", cableOpen},
			"with an address": {func() {}, localPED(1).AddText(hsmapi.TagHost, "ped1"), hsmapi.CKR_ARGUMENTS_BAD, "-local is a PED of this host", 0},
			"with a password": {func() {}, localPED(1).AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_ARGUMENTS_BAD, "no one-time password", 0},
			"not said":        {func() {}, slot1().AddText(hsmapi.TagDevice, "usb"), hsmapi.CKR_ARGUMENTS_BAD, "give -local too", 0},
			"no device":       {func() {}, localPED(1).AddText(hsmapi.TagDevice, "ttyS0"), hsmapi.CKR_ARGUMENTS_BAD, localsock.Example, 0},
		} {
			p.set(func() {
				p.mode, p.quiet, p.empty, p.err, p.opening = protocol.PEDModeLocal, false, false, nil, nil
				c.set()
			})
			begin := time.Now()
			u.fails(hsmapi.PedConnect, c.in, c.code, c.words)
			if took := time.Since(begin); took != c.after {
				t.Errorf("%s: after %v, want %v", name, took, c.after)
			}
			if p.open() || w.c.Status().Slots[0].Connected {
				t.Errorf("%s: the device is still open", name)
			}
		}
		p.set(func() {
			p.mode, p.quiet, p.empty, p.err, p.opening = protocol.PEDModeLocal, false, false, usbped.ErrInUse, nil
		})
		time.AfterFunc(100*time.Millisecond, func() { p.set(func() { p.err = nil }) }) // it has noticed
		u.must(hsmapi.PedConnect, localPED(1).AddText(hsmapi.TagDevice, "usb:PED0001"))
		if last := p.asked[len(p.asked)-1]; last != "PED0001" {
			t.Errorf("asked for %q", last)
		}
		u.fails(hsmapi.PedConnect, localPED(1), hsmapi.CKR_OPERATION_ACTIVE, "ped disconnect")
	})
}

// Built without USB, and with another default.
func TestLocalDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := ""
		w := newWorld(t, 1, func(cfg *Config) { cfg.PEDDevice = func() string { return device } })
		u := w.user()
		u.fails(hsmapi.PedConnect, localPED(1), hsmapi.CKR_PED_UNPLUGGED, "built without USB")
		device = "unix:/nowhere/ped.sock"
		u.fails(hsmapi.PedConnect, localPED(1), hsmapi.CKR_PED_UNPLUGGED, "unix:/nowhere/ped.sock: no PED found")
		w.end()
		synctest.Wait()
	})
}

// One PED, several slots: it belongs to one of them, by whatever name.
func TestLocalOneSlotAtATime(t *testing.T) {
	withLocal(t, 2, func(t *testing.T, w *world, p *port) {
		u := w.user()
		u.must(hsmapi.PedConnect, localPED(1))
		for _, device := range []string{"usb", "usb:PED0001"} {
			u.fails(hsmapi.PedConnect, localPED(2).AddText(hsmapi.TagDevice, device), hsmapi.CKR_PED_BUSY, "serves slot 1, connected, since ")
		}
		u.must(hsmapi.PedDisconnect, slot1())
		u.must(hsmapi.PedConnect, localPED(2))
		u.fails(hsmapi.PedConnect, localPED(1), hsmapi.CKR_PED_BUSY, "run `ped disconnect -slot 2` first")
	})
}

// A cable pulled while nobody uses it: the next command opens the PED again. As
// long as it is not there, or not in Local, nothing begins that could count, and
// nobody is called.
func TestLocalUnpluggedAtRest(t *testing.T) {
	withLocal(t, 1, func(t *testing.T, w *world, p *port) {
		u := w.user()
		p.initialized(w, u)
		p.pull()
		synctest.Wait()
		if st := w.c.Status().Slots[0]; st.Connected || !strings.Contains(st.Reason, "unplugged") {
			t.Errorf("status: %+v", st)
		}
		u.events = nil
		before := w.c.slots[0].hsm.Info().SOAttemptsLeft
		u.fails(hsmapi.Login, so(), hsmapi.CKR_PED_UNPLUGGED, "PED not ready: usb: no PED found")
		p.set(func() { p.empty, p.mode = false, protocol.PEDModeRemote })
		u.fails(hsmapi.Login, so(), hsmapi.CKR_PED_REFUSED, "PED not ready: PED PED0001 is in mode remote")
		if left := w.c.slots[0].hsm.Info().SOAttemptsLeft; left != before || len(u.events) > 0 {
			t.Errorf("%d attempts left of %d, told %v", left, before, u.events)
		}
		p.choose(protocol.PEDModeLocal)
		p.ped.Insert(blues...)
		u.must(hsmapi.Login, so())
		u.must(hsmapi.Logout, so())

		p.choose(protocol.PEDModeRemote) // while it is connected
		synctest.Wait()
		u.fails(hsmapi.Login, so(), hsmapi.CKR_PED_REFUSED, "PED not ready")
		p.choose(protocol.PEDModeLocal)
		synctest.Wait()
		p.ped.Insert(blues...)
		u.must(hsmapi.Login, so())

		p.pull()
		synctest.Wait()
		u.must(hsmapi.PedDisconnect, slot1()) // that is all, he says
		p.set(func() { p.empty = false })
		u.fails(hsmapi.ChangePIN, so(), hsmapi.CKR_PED_UNPLUGGED, "")
		if p.open() {
			t.Error("opened again")
		}
	})
}

// A cable pulled in the middle: the command fails at once, and works again with
// the cable.
func TestLocalUnpluggedAtWork(t *testing.T) {
	for name, pull := range map[string]struct {
		how    func(*port)
		within time.Duration
		words  string
	}{
		"cable":  {(*port).pull, 0, "the local PED was unplugged; plug it in again"},
		"frozen": {func(p *port) { p.set(func() { p.mute = true }) }, cablePing + usbped.PongTimeout, "the local PED does not answer; unplug it and plug it in again"},
	} {
		t.Run(name, func(t *testing.T) {
			withLocal(t, 1, func(t *testing.T, w *world, p *port) {
				u := w.user()
				p.initialized(w, u)
				failed := make(chan struct{})
				go func() {
					defer close(failed)
					u.fails(hsmapi.Login, so(), hsmapi.CKR_PED_UNPLUGGED, pull.words)
				}()
				synctest.Wait()
				begin := time.Now()
				pull.how(p)
				<-failed
				if took := time.Since(begin); took > pull.within {
					t.Errorf("after %v", took)
				}
				p.set(func() { p.mute, p.empty = false, false })
				p.ped.Insert(blues...)
				u.must(hsmapi.Login, so())
				if n := w.c.Status().LinkLosses["ped_lost"]; n != 1 {
					t.Errorf("%d PEDs lost", n)
				}
			})
		})
	}
}

// Who comes first. A remote connection waits for what goes on at the local PED,
// for as long as a PEDserver may take to answer; then it is told who is there.
func TestRemoteWaitsForLocal(t *testing.T) {
	withLocal(t, 1, func(t *testing.T, w *world, p *port) {
		u, v := w.user(), w.user()
		p.initialized(w, u)
		over := make(chan struct{})
		go func() { defer close(over); u.must(hsmapi.Login, so()) }()
		synctest.Wait()
		begin := time.Now()
		v.fails(hsmapi.PedConnect, remotePED(1), hsmapi.CKR_OPERATION_ACTIVE, "the local PED is at work: this slot is busy: role login")
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("waited %v", took)
		}
		if st := w.c.Status().Slots[0]; !st.Local || !st.Connected {
			t.Errorf("the local PED did not stay: %+v", st)
		}
		connected := make(chan struct{})
		go func() { defer close(connected); v.must(hsmapi.PedConnect, remotePED(1)) }()
		time.Sleep(5 * time.Second)
		p.ped.Insert(blues...)
		<-over
		<-connected
		if st := w.c.Status().Slots[0]; st.Local || !st.Connected || p.open() {
			t.Errorf("the remote PED did not take its place: %+v", st)
		}
	})
}

// One that comes to nothing leaves the local PED as it is.
func TestRemoteFailsBesideLocal(t *testing.T) {
	withLocal(t, 1, func(t *testing.T, w *world, p *port) {
		u := w.user()
		p.initialized(w, u)
		u.fails(hsmapi.PedConnect, slot1().AddText(hsmapi.TagHost, "nowhere"), hsmapi.CKR_PED_UNPLUGGED, "not known")
		w.srvs[0].setBusy(true)
		u.fails(hsmapi.PedConnect, remotePED(1), hsmapi.CKR_PED_BUSY, "")
		if st := w.c.Status().Slots[0]; !st.Local || !st.Connected || st.PEDDevice != "usb" {
			t.Errorf("status: %+v", st)
		}
		p.ped.Insert(blues...)
		u.must(hsmapi.Login, so())
		// An RPV is there: no password, whatever is connected.
		u.fails(hsmapi.PedConnect, remotePED(1).AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_RPV_INITIALIZED, "")
	})
}

// While a remote PED is connected, or being connected, everything goes there.
func TestLocalRefusedBesideRemote(t *testing.T) {
	withLocal(t, 1, func(t *testing.T, w *world, p *port) {
		u, v := w.user(), w.user()
		w.ready(u, 1)
		u.fails(hsmapi.PedConnect, localPED(1), hsmapi.CKR_OPERATION_ACTIVE, "everything goes there (the PEDserver at ped1 port 1503, since ")
		u.fails(hsmapi.PedConnect, remotePED(1), hsmapi.CKR_OPERATION_ACTIVE, "ped disconnect") // another PEDserver neither
		u.must(hsmapi.PedDisconnect, slot1())

		w.srvs[0].freeze()
		calling := make(chan struct{})
		go func() {
			defer close(calling)
			u.fails(hsmapi.PedConnect, remotePED(1), hsmapi.CKR_PED_UNPLUGGED, "")
		}()
		synctest.Wait()
		v.fails(hsmapi.PedConnect, localPED(1), hsmapi.CKR_OPERATION_ACTIVE, "this slot is being connected")
		<-calling
		if len(p.asked) > 0 {
			t.Error("the device was opened")
		}
		v.must(hsmapi.PedConnect, localPED(1))
	})
}

// ⚠ A member of the group may use what is configured and what hangs on a cable, and
// may not say that a socket of his is a PED: he would be all custodians at once. To
// take the rule out: the question for the owner in device.
func TestMembersNameNoSocket(t *testing.T) {
	withLocal(t, 1, func(t *testing.T, w *world, p *port) {
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			place, err := w.c.places.take(peerOf(4711), far)
			if err != nil {
				t.Error(err)
				return
			}
			defer place.leave()
			w.c.serveCaller(context.Background(), far, place, w.c.cfg.Log)
		}()
		member := &user{t: t, conn: near, api: hsmapi.NewClient(hsmapi.NewConn(near)), gone: done}
		defer member.leave()
		socket := localPED(1).AddText(hsmapi.TagDevice, "unix:/tmp/his.sock")
		member.fails(hsmapi.PedConnect, socket, hsmapi.CKR_PED_REFUSED, "only root and the user of pedclient may name a socket")
		w.c.cfg.PEDDevice = func() string { return "unix:/tmp/his.sock" } // the owner says so
		member.fails(hsmapi.PedConnect, socket, hsmapi.CKR_PED_UNPLUGGED, "no PED found")
		member.must(hsmapi.PedConnect, localPED(1).AddText(hsmapi.TagDevice, "usb"))
		w.user().fails(hsmapi.PedConnect, localPED(1).AddText(hsmapi.TagDevice, "unix:/tmp/other.sock"), hsmapi.CKR_OPERATION_ACTIVE, "")
	})
}
