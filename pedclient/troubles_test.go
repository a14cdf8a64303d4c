package pedclient

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// TestF07LongCeremony: no cap ends what people do, as long as they do something:
// neither ten minutes nor the idle time-out, which begins anew with each sign of
// activity.
func TestF07LongCeremony(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(c *Config) { c.Timers.Idle = 30 * time.Minute })
		defer w.end()
		u := w.user()
		defer u.leave()
		w.ready(u, 1)
		w.peds[0].Insert(hsmtest.Blue[0])
		time.AfterFunc(3*time.Hour, func() { w.peds[0].Insert(hsmtest.Blue[1]) })
		begin := time.Now()
		if _, err := u.api.Do(hsmapi.Login, so(), hsmapi.Handler{}); err != nil {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		if d := time.Since(begin); d < 3*time.Hour {
			t.Errorf("over after %v", d)
		}
	})
}

// TestF10NothingWaitsForPeople: at slot 1 nobody comes to the PED. Meanwhile slot
// 2 does everything, and status, logs, metrics and both audit logs answer. The
// clock of the bubble would move if any of it waited: it moves only when all
// goroutines wait.
func TestF10NothingWaitsForPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		defer w.end()
		a, b := w.user(), w.user()
		defer b.leave()
		w.ready(a, 1)
		waiting := make(chan error, 1)
		go func() {
			_, err := a.api.Do(hsmapi.Login, so(), hsmapi.Handler{})
			waiting <- err
		}()
		synctest.Wait() // for the custodian of slot 1
		if c := w.c.Status().Slots[0].Ceremony; c != "role login" {
			t.Fatalf("slot 1 does %q", c)
		}
		begin := time.Now()
		w.ready(b, 2)
		w.peds[1].Insert(hsmtest.Blue[0], hsmtest.Blue[1])
		b.must(hsmapi.Login, slotN(2).AddU8(hsmapi.TagRole, uint8(protocol.RoleSO)))
		for n := 1; n <= 2; n++ {
			b.text = nil
			b.must(hsmapi.AuditShow, slotN(n))
			if all := strings.Join(b.text, "\n"); !strings.Contains(all, "role login") {
				t.Errorf("audit log of slot %d: %s", n, all)
			}
			b.must(hsmapi.AuditVerify, slotN(n))
			b.must(hsmapi.SlotInfo, slotN(n))
			b.must(hsmapi.PedShow, slotN(n))
		}
		b.must(hsmapi.SlotList, nil)
		b.must(hsmapi.PedSet, slotN(1).AddText(hsmapi.TagHost, "ped1"))
		b.must(hsmapi.PedDisconnect, slotN(2))
		b.must(hsmapi.PedConnect, slotN(2).AddText(hsmapi.TagHost, "ped2"))
		var text bytes.Buffer
		w.c.Status().Show(&text)
		if !strings.Contains(text.String(), "Running:                 role login") {
			t.Errorf("%s", text.String())
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("something waited for %v", d)
		}
		select {
		case err := <-waiting:
			t.Errorf("slot 1 has ended: %v", err)
		default:
		}
		a.leave()
		<-waiting
	})
}

// TestStoppedPEDServer: a PEDserver that stops, or a network that swallows
// everything, in the middle of a ceremony: the command ends within the ping
// time-out with the truth, other slots do not notice, and the next connect works.
func TestStoppedPEDServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		defer w.end()
		a, b := w.user(), w.user()
		defer a.leave()
		defer b.leave()
		w.ready(a, 1)
		w.ready(b, 2)
		begin := time.Now()
		time.AfterFunc(time.Minute, w.srvs[0].freeze)
		_, err := a.api.Do(hsmapi.Login, so(), hsmapi.Handler{})
		e, ok := err.(*hsmapi.Error)
		if d := time.Since(begin) - time.Minute; !ok || e.Code != hsmapi.CKR_PED_UNPLUGGED || d > 4*time.Second ||
			!strings.Contains(e.Msg, "nothing was heard from the PEDserver at ped1 port 1503 for 3s") {
			t.Errorf("after %v: %#v", d, err)
		}
		if st := w.c.Status(); st.Slots[0].Connected || !st.Slots[1].Connected || st.LinkLosses["silent"] != 1 {
			t.Errorf("%+v", st)
		}
		w.srvs[0].mu.Lock()
		w.srvs[0].mute = false
		w.srvs[0].mu.Unlock()
		a.must(hsmapi.PedConnect, slotN(1).AddText(hsmapi.TagHost, "ped1"))
	})
}

// TestLiveTimers: what is set while links are up counts at once.
func TestLiveTimers(t *testing.T) {
	var ids atomic.Pointer[IDMap]
	ids.Store(&IDMap{ids: []PEDID{{ID: 7, Host: "ped1", Port: 1503, HSMSerial: "7000001"}}})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(c *Config) {
			c.Timers.Idle = 10 * time.Minute
			c.IDs = ids.Load
		})
		defer w.end()
		u := w.user()
		defer u.leave()
		w.ready(u, 1) // by its address
		connected := func() bool { return w.c.Status().Slots[0].Connected }
		u.must(hsmapi.PedDisconnect, slotN(1))
		u.must(hsmapi.PedConnect, slotN(1)) // by the ID that is assigned to it
		if st := w.c.Status().Slots[0]; st.PEDID != 7 || st.AssignedID != 7 {
			t.Errorf("%+v", st)
		}
		time.Sleep(9 * time.Minute)
		w.c.Reconfigure(Timers{Idle: 20 * time.Minute})
		time.Sleep(9 * time.Minute)
		if !connected() {
			t.Error("the longer time-out does not count")
		}
		w.c.Reconfigure(Timers{Idle: 20 * time.Minute, IgnoreIdle: true})
		time.Sleep(24 * time.Hour)
		if !connected() {
			t.Error("an assigned PED has a time-out")
		}
		ids.Store(nil) // released
		time.Sleep(2 * time.Second)
		if connected() || !strings.Contains(w.c.Status().Slots[0].Reason, "idle") {
			t.Error("a released PED has no time-out")
		}
		u.must(hsmapi.PedConnect, slotN(1).AddText(hsmapi.TagHost, "ped1"))
		w.c.Reconfigure(Timers{PingInterval: 10 * time.Second, PingTimeout: 30 * time.Second})
		time.Sleep(time.Minute)
		w.srvs[0].freeze()
		time.Sleep(15 * time.Second)
		if !connected() {
			t.Error("the longer ping time-out does not count")
		}
		time.Sleep(20 * time.Second)
		if connected() {
			t.Error("lost, and nobody notices")
		}
	})
}

// TestManySlots: as many as can be, connected at the same time; one user more
// than the rest does not keep anybody out.
func TestManySlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 24
		w := newWorld(t, slots, nil)
		defer w.end()
		done := make(chan struct{}, slots)
		for n := 1; n <= slots; n++ {
			go func() {
				defer func() { done <- struct{}{} }()
				u := w.user()
				u.onPass = func(pw string) { w.peds[n-1].Type(pw) }
				if _, err := u.do(hsmapi.PedConnect, slotN(n).AddText(hsmapi.TagHost, fmt.Sprintf("ped%d", n)).AddBool(hsmapi.TagWantPassword, true)); err != nil {
					t.Error(err)
				}
				u.leave()
			}()
		}
		for range slots {
			<-done
		}
		for _, s := range w.c.Status().Slots {
			if !s.Connected {
				t.Errorf("slot %d: %+v", s.Slot, s)
			}
		}
	})
}
