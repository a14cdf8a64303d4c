package hsm_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/audit"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

// A person at the PED cancels, somebody cancels at the console, the custodian is
// not there: each has its code, and the connection lives on.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		ok := func() {
			t.Helper()
			_, err := h.Login(p, blue[0], blue[1])
			want(t, err, hsmapi.CKR_OK)
		}
		for reason, code := range map[protocol.CancelReason]hsmapi.Code{
			protocol.CancelOperator: hsmapi.CKR_FUNCTION_CANCELED, protocol.CancelTimeout: hsmapi.CKR_PED_TIMEOUT,
			protocol.CancelBusy: hsmapi.CKR_PED_BUSY, protocol.CancelKeyFault: hsmapi.CKR_PED_KEY_FAULT,
			protocol.CancelRefused: hsmapi.CKR_PED_REFUSED, protocol.CancelProtocol: hsmapi.CKR_CALLBACK_ERROR,
		} {
			p.CancelNext(reason)
			_, err := h.Login(p, blue[0])
			want(t, err, code)
			ok()
			// The same while the orange key is asked for.
			p.ForgetOrange(true)
			want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
			h.MustConnect(p, "")
			p.CancelNext(reason)
			_, err = h.Login(p)
			want(t, err, code)
			p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
			ok()
		}
		for _, orange := range []bool{false, true} {
			if orange {
				p.ForgetOrange(true)
				want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
				h.MustConnect(p, "")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			go func() { time.Sleep(time.Minute); cancel() }()
			_, err := h.Slot.Login(ctx, protocol.RoleSO, nil)
			want(t, err, hsmapi.CKR_FUNCTION_CANCELED)
			synctest.Wait() // until the PED has put the dialogue away
			if orange {
				p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
			}
			ok()
		}
		if n := failures(h); n != 0 {
			t.Errorf("%d failures counted", n)
		}
		h.Kill()
	})
}

// As long as the PED shows activity, people may take hours; a PED that falls
// silent is given up after 15 s, and Info says so.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		go func() {
			time.Sleep(3 * time.Hour)
			p.Insert(blue[0])
			time.Sleep(3 * time.Hour)
			p.Insert(blue[1])
		}()
		begin := time.Now()
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		want(t, err, hsmapi.CKR_OK)
		if d := time.Since(begin); d != 6*time.Hour {
			t.Errorf("took %v", d)
		}
		p.Silent = true
		begin = time.Now()
		_, err = h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		want(t, err, hsmapi.CKR_PED_UNPLUGGED)
		if d := time.Since(begin); d != 15*time.Second {
			t.Errorf("gave up after %v", d)
		}
		if h.Slot.Connected().Connected {
			t.Error("still connected")
		}
		h.Kill()
	})
}

// A PED that takes the connection and never answers Hello.
func TestDeafPED(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := ready(t)
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		a, b := hsmtest.Pipe()
		begin := time.Now()
		want(t, h.Slot.Connect(t.Context(), a, hsm.ConnectOptions{}), hsmapi.CKR_PED_UNPLUGGED)
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("gave up after %v", d)
		}
		for { // the connection was closed
			if _, err := b.Recv(t.Context()); err != nil {
				break
			}
		}
		h.Kill()
	})
}

func TestPasswordNobodyTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hsmtest.NewHSM(t, "1234567", "")
		p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
		p.Pair = true
		begin := time.Now()
		want(t, h.Connect(t.Context(), p, "12345678"), hsmapi.CKR_PED_TIMEOUT)
		if d := time.Since(begin); d != 10*time.Minute {
			t.Errorf("armed for %v", d)
		}
		synctest.Wait()
		// Nobody has guessed: it may be used.
		p.Type("12345678")
		h.MustConnect(p, "12345678")
		h.Kill()
	})
}

// Status is true the moment the connection is known to be lost, whether a
// ceremony runs or not.
func TestStatusIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		c := p.Connect()
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		want(t, h.Slot.Connect(t.Context(), c, hsm.ConnectOptions{}), hsmapi.CKR_OK)
		if i := h.Slot.Connected(); !i.Connected || i.Session {
			t.Errorf("%+v", i)
		}
		c.Cut()
		synctest.Wait()
		if h.Slot.Connected().Connected {
			t.Error("idle: still connected")
		}
		_, err := h.Login(p)
		want(t, err, hsmapi.CKR_PED_UNPLUGGED)

		c = p.Connect()
		want(t, h.Slot.Connect(t.Context(), c, hsm.ConnectOptions{}), hsmapi.CKR_OK)
		time.AfterFunc(time.Minute, c.Cut)
		begin := time.Now()
		_, err = h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		e := want(t, err, hsmapi.CKR_PED_UNPLUGGED)
		if time.Since(begin) != time.Minute || e.Hint != "run `ped connect`" {
			t.Errorf("after %v, hint %q", time.Since(begin), e.Hint)
		}
		synctest.Wait()
		if h.Slot.Connected().Connected {
			t.Error("ceremony: still connected")
		}
		h.MustConnect(p, "")
		p.Clear()
		_, err = h.Login(p, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
		h.Kill()
	})
}

// A ceremony that waits for a person holds up no question about the slot, and a
// second ceremony is told at once.
func TestNothingWaitsForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		done := make(chan error)
		go func() {
			_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
			done <- err
		}()
		synctest.Wait()
		begin := time.Now()
		if i := h.Slot.Info(); i.Ceremony != "role login" || !i.PED.Session {
			t.Errorf("%+v", i)
		}
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		want(t, err, hsmapi.CKR_OPERATION_ACTIVE)
		want(t, h.Slot.InitRPV(t.Context(), nil, nil), hsmapi.CKR_OPERATION_ACTIVE)
		if last, err := h.Audit.Verify(t.Context(), audit.Head{}); err != nil || last.Seq == 0 {
			t.Error(last, err)
		}
		// Disconnecting cancels it.
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		want(t, <-done, hsmapi.CKR_FUNCTION_CANCELED)
		if time.Since(begin) != 0 {
			t.Errorf("waited %v", time.Since(begin))
		}
		_ = p
		h.Kill()
	})
}

// What a PED says while nobody needs it counts at once.
func TestPEDLeavesWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		a, b := hsmtest.Pipe()
		go p.Serve(b)
		want(t, h.Slot.Connect(t.Context(), a, hsm.ConnectOptions{}), hsmapi.CKR_OK)
		_, err := h.Login(p, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
		_ = b.Send(t.Context(), channel.AlertRecord())
		synctest.Wait()
		if i := h.Slot.Connected(); !i.Connected || i.Session {
			t.Errorf("after an alert: %+v", i)
		}
		_, err = h.Login(p, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
		// Nonsense ends the connection.
		_ = b.Send(t.Context(), bytes.Repeat([]byte{0x20}, 80))
		synctest.Wait()
		if h.Slot.Connected().Connected {
			t.Error("connected after nonsense")
		}
		h.Kill()
	})
}

// A flood of frames that nobody asked for ends the connection, not the memory.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		a, b := hsmtest.Pipe()
		go p.Serve(b)
		want(t, h.Slot.Connect(t.Context(), a, hsm.ConnectOptions{}), hsmapi.CKR_OK)
		_ = b.Send(t.Context(), make([]byte, channel.MaxRecord+1))
		synctest.Wait()
		if h.Slot.Connected().Connected {
			t.Error("a frame over the limit was taken")
		}
		h.Kill()
	})
}
