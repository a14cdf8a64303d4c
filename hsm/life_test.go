package hsm_test

import (
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

// inService runs f with an HSM whose PED has the orange key cached, and nobody
// there to insert it again. Sessions have the limits given.
func inService(t *testing.T, l channel.Limits, f func(t *testing.T, h *hsmtest.HSM, p *hsmtest.PED, login func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		h.Slot.SetLimits(l)
		p.Limits = l
		p.Clear()
		h.MustConnect(p, "")
		since := h.Slot.Connected().Since
		f(t, h, p, func() {
			t.Helper()
			_, err := h.Login(p, blue[0], blue[1])
			want(t, err, hsmapi.CKR_OK)
			if c := h.Slot.Connected(); !c.Session || c.Since != since {
				t.Errorf("another connection: %+v, since %v before", c, since)
			}
		})
		if n := failures(h); n != 0 {
			t.Errorf("%d failures counted", n)
		}
		h.Kill()
	})
}

// A session is good for half a day, and the next one costs nobody anything: days
// later a login works over the same connection.
func TestSessionsAreRenewedByAge(t *testing.T) {
	inService(t, channel.Limits{}, func(t *testing.T, h *hsmtest.HSM, p *hsmtest.PED, login func()) {
		login()
		before := p.Sessions()
		for _, c := range []struct {
			idle time.Duration
			more int
		}{{11 * time.Hour, 0}, {2 * time.Hour, 1}, {23 * time.Hour, 2}, {25 * time.Hour, 3}, {9 * 24 * time.Hour, 4}} {
			time.Sleep(c.idle)
			login()
			if n := p.Sessions() - before; n != c.more {
				t.Errorf("after %v more: %d new sessions, want %d", c.idle, n, c.more)
			}
		}
	})
}

// While nobody wants anything a session of a day is forgotten, keys and all, and
// not a frame is spent on it.
func TestIdleSessionsAreForgotten(t *testing.T) {
	inService(t, channel.Limits{}, func(t *testing.T, h *hsmtest.HSM, p *hsmtest.PED, login func()) {
		login()
		p.CutAt(0) // counts anew
		s := h.Slot.Session()
		time.Sleep(24*time.Hour - time.Second)
		if !h.Slot.Connected().Session {
			t.Error("forgotten too early")
		}
		time.Sleep(2 * time.Second)
		if c := h.Slot.Connected(); !c.Connected || c.Session {
			t.Errorf("after a day: %+v", c)
		}
		if _, err := s.Seal(nil); err == nil {
			t.Error("its keys are still there")
		}
		if n := p.Frames(); n != 0 {
			t.Errorf("%d frames while idle", n)
		}
		login()
	})
}

// What outlives its session ends, at the minute, and the next command works.
func TestCeremonyOutlivesItsSession(t *testing.T) {
	inService(t, channel.Limits{}, func(t *testing.T, h *hsmtest.HSM, p *hsmtest.PED, login func()) {
		login()
		time.Sleep(11 * time.Hour)
		begin := time.Now()
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		want(t, err, hsmapi.CKR_FUNCTION_CANCELED)
		if d := time.Since(begin); d != 13*time.Hour {
			t.Errorf("ended after %v", d)
		}
		synctest.Wait()
		login()
	})
}

// A login takes some ten records each way: no limit is ever met in the middle.
func TestSessionsAreRenewedByUse(t *testing.T) {
	for name, l := range map[string]channel.Limits{"records": {Records: 320}, "bytes": {Bytes: 320 * 256}} {
		t.Run(name, func(t *testing.T) {
			inService(t, l, func(t *testing.T, h *hsmtest.HSM, p *hsmtest.PED, login func()) {
				before := p.Sessions()
				for range 60 {
					login()
				}
				if n := p.Sessions() - before; n < 2 || n > 6 {
					t.Errorf("%d sessions", n)
				}
			})
		})
	}
}

// If people take so long that the PED's signs of life alone use a session up,
// the command ends, and the next one works.
func TestCeremonyUsesItsSessionUp(t *testing.T) {
	inService(t, channel.Limits{Records: 100}, func(t *testing.T, h *hsmtest.HSM, p *hsmtest.PED, login func()) {
		login()
		begin := time.Now()
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		e := want(t, err, hsmapi.CKR_PED_UNPLUGGED)
		if d := time.Since(begin); d < 7*time.Minute || d > 9*time.Minute {
			t.Errorf("ended after %v: %v", d, e)
		}
		synctest.Wait()
		login()
	})
	// The same from this side: one key, again and again.
	inService(t, channel.Limits{Records: 30}, func(t *testing.T, h *hsmtest.HSM, p *hsmtest.PED, login func()) {
		for range 40 {
			p.Insert(blue[0])
		}
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		want(t, err, hsmapi.CKR_FUNCTION_CANCELED)
		synctest.Wait()
		p.Clear()
		login()
	})
}

// The session of a one-time password cannot be replaced before there is an RPV:
// it is used for a day, and after that a new password is needed.
func TestPasswordSessionLastsADay(t *testing.T) {
	for _, c := range []struct {
		idle time.Duration
		code hsmapi.Code
	}{{23 * time.Hour, hsmapi.CKR_OK}, {25 * time.Hour, hsmapi.CKR_RPV_NOT_INITIALIZED}} {
		synctest.Test(t, func(t *testing.T) {
			h := hsmtest.NewHSM(t, "1234567", "")
			p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
			p.Pair = true
			p.Type("12345678")
			h.MustConnect(p, "12345678")
			time.Sleep(c.idle)
			p.Choose(hsmtest.Choice{M: 1, N: 1})
			p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
			want(t, h.Slot.InitRPV(t.Context(), nil, nil), c.code)
			if connected := h.Slot.Connected().Connected; connected != (c.code == hsmapi.CKR_OK) {
				t.Errorf("after %v: connected %v", c.idle, connected)
			}
			h.Kill()
		})
	}
}
