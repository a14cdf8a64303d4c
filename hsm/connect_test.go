package hsm_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

func TestConnectModes(t *testing.T) {
	h := hsmtest.NewHSM(t, "1234567", "")
	p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
	want(t, h.Connect(t.Context(), p, ""), hsmapi.CKR_RPV_NOT_INITIALIZED)
	for _, bad := range []string{"1234567", "123456789", "1234567a", "1234567\x00"} {
		want(t, h.Connect(t.Context(), p, bad), hsmapi.CKR_ARGUMENTS_BAD)
	}
	// A PED that is not in Pair refuses, and its operator was not asked.
	want(t, h.Connect(t.Context(), p, "12345678"), hsmapi.CKR_PED_AUTH_FAILED)
	h.Bootstrap(p)
	want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	// ⚠ otp only while no RPV exists. To take the rule out: CheckConnect.
	want(t, h.Connect(t.Context(), p, "11112222"), hsmapi.CKR_RPV_INITIALIZED)
}

func TestNewPassword(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		w := hsm.NewPassword()
		if err := hsm.CheckPassword(w.Bytes()); err != nil {
			t.Fatal(err)
		}
		seen[string(w.Bytes())] = true
	}
	if len(seen) < 49 {
		t.Errorf("%d different ones of 50", len(seen))
	}
}

// ⚠ The password is used up on disk before MacTagV is looked at, so that a fake
// PED has one guess even if it can crash the HSM. To take the rule out: drop the
// call of useUp in finish, or move it behind u.Finish.
func TestThiefGuessesThePassword(t *testing.T) {
	h := hsmtest.NewHSM(t, "1234567", "")
	p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
	p.Pair = true
	p.Type("00000000")
	want(t, h.Connect(t.Context(), p, "12345678"), hsmapi.CKR_PED_AUTH_FAILED)
	// The same password again, however right, is refused before a PED hears of it.
	p.Type("12345678")
	want(t, h.Connect(t.Context(), p, "12345678"), hsmapi.CKR_ARGUMENTS_BAD)
	if n := p.Proven(); n != 1 {
		t.Errorf("%d handshakes, want 1", n)
	}
	h.Restart()
	want(t, h.Connect(t.Context(), p, "12345678"), hsmapi.CKR_ARGUMENTS_BAD)

	// The power goes when the tag would be looked at.
	p.Clear()
	p.Type("00000000")
	h.CrashAt(1, true)
	want(t, h.Connect(t.Context(), p, "23456789"), hsmapi.CKR_DEVICE_ERROR)
	h.Restart()
	want(t, h.Connect(t.Context(), p, "23456789"), hsmapi.CKR_ARGUMENTS_BAD)

	// If using it up cannot be stored, the tag is not looked at.
	p.Clear()
	p.Type("34567890")
	h.CrashAt(1, false)
	want(t, h.Connect(t.Context(), p, "34567890"), hsmapi.CKR_DEVICE_ERROR)
	if n := p.Sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// ⚠ Failed handshakes are counted per RPK, on disk, before MacTagV is looked at,
// and slowed. To take the rule out: move countHandshake behind u.Finish.
func TestThiefGuessesTheOrangePIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		var took []int
		for i := range 10 {
			p.ForgetOrange(true)
			p.Clear()
			p.Insert(hsmtest.Insert{Key: "orange", PIN: "9999"})
			if i%3 == 0 { // a new connection or the same one: no difference
				want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
				h.MustConnect(p, "")
			}
			begin := time.Now()
			_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
			want(t, err, hsmapi.CKR_PED_AUTH_FAILED)
			took = append(took, int(time.Since(begin)/time.Second))
			if f := h.State().Failed; len(f) != 1 || f[0].Count != i+1 {
				t.Fatalf("failed handshakes on disk: %+v after %d", f, i+1)
			}
			if i == 4 {
				h.Restart() // no way around it
				h.MustConnect(p, "")
			}
		}
		for i, s := range []int{0, 0, 1, 2, 4, 8, 16, 32, 60, 60} {
			if took[i] != s {
				t.Errorf("delays %v", took)
				break
			}
		}
		if n := failures(h); n != 0 {
			t.Errorf("%d failed logins counted for failed handshakes", n)
		}
		// The right PIN works, after the same delay, and ends it.
		p.Clear()
		p.ForgetOrange(true)
		p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"}, blue[0], blue[1])
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		want(t, err, hsmapi.CKR_OK)
		if f := h.State().Failed; len(f) != 0 {
			t.Errorf("still counted: %+v", f)
		}
		h.Kill()
	})
}

func TestHandshakeIsCountedBeforeItsOutcome(t *testing.T) {
	h, p := ready(t)
	want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	h.MustConnect(p, "")
	h.CrashAt(1, true)
	_, err := h.Login(p) // the right, cached RPV: even so
	want(t, err, hsmapi.CKR_DEVICE_ERROR)
	h.Restart()
	if f := h.State().Failed; len(f) != 1 || f[0].Count != 1 {
		t.Errorf("%+v", f)
	}
}

// ⚠ Only RPKs that are listed with the current RPV: a certificate of the HSM's
// own issuing key is not enough. To take the rule out: let Listed return true.
func TestThiefHasAnUnlistedRPK(t *testing.T) {
	h, p := ready(t)
	want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	p.ForgetOrange(false)
	stolen, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := h.Driver.IssueRPK(stolen.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	p.Auth = func(in *channel.AuthInput) { in.RPK, in.RPKCert = stolen, cert }
	h.MustConnect(p, "")
	p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	_, err = h.Login(p)
	want(t, err, hsmapi.CKR_PED_AUTH_FAILED)
	if n := p.Sessions(); n != 2 { // of the fixture
		t.Errorf("%d sessions", n)
	}
	if f := h.State().Failed; len(f) != 0 {
		t.Errorf("strangers are counted: %+v", f)
	}
}

func TestPEDFirmware(t *testing.T) {
	h, p := ready(t)
	for ped, code := range map[string]hsmapi.Code{
		"2.7.3": hsmapi.CKR_PED_FIRMWARE, "2.8.1": hsmapi.CKR_PED_FIRMWARE,
		"2.7.4": hsmapi.CKR_OK, "2.9.0": hsmapi.CKR_OK, "2.9.1": hsmapi.CKR_OK,
	} {
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		p.Firmware = ped
		h.MustConnect(p, "")
		p.Clear()
		_, err := h.Login(p, blue[0], blue[1])
		e := want(t, err, code)
		if e != nil && (!strings.Contains(e.Msg, "7.7.0") || !strings.Contains(e.Msg, ped)) {
			t.Errorf("message names not both versions: %q", e.Msg)
		}
	}
}

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
		if n, err := h.Audit.Verify(); err != nil || n == 0 {
			t.Error(n, err)
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

// After a day there is a new session: with the cached orange key nobody notices,
// without it somebody is asked.
func TestSessionsEndAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := ready(t)
		login := func() {
			t.Helper()
			_, err := h.Login(p, blue[0], blue[1])
			want(t, err, hsmapi.CKR_OK)
		}
		before := p.Sessions()
		time.Sleep(22 * time.Hour)
		login()
		if n := p.Sessions(); n != before {
			t.Errorf("%d new sessions within 22 h", n-before)
		}
		time.Sleep(2 * time.Hour)
		login()
		if n := p.Sessions(); n != before+1 {
			t.Errorf("%d new sessions after 24 h, want 1", n-before)
		}
		time.Sleep(25 * time.Hour)
		p.ForgetOrange(true)
		p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
		login()
		// A ceremony that outlives its session ends.
		go func() { time.Sleep(30 * time.Hour); p.Insert(blue[0]) }()
		_, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil)
		want(t, err, hsmapi.CKR_PED_UNPLUGGED)
		login()
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
