package hsm_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
	"openped/usbped"
)

// local is a new HSM with its local PED connected.
func local(t *testing.T) (*hsmtest.HSM, *hsmtest.PED) {
	t.Helper()
	h := hsmtest.NewHSM(t, "1234567", "")
	p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
	p.Local = true
	want(t, h.ConnectLocal(t.Context(), p), hsmapi.CKR_OK)
	return h, p
}

// All that people do at a PED goes over the cable with no orange key and no
// password; the orange keys made there serve a remote PED afterwards.
func TestLocalPED(t *testing.T) {
	h, p := local(t)
	if i := h.Slot.Info().PED; !i.Session || i.Mode != channel.ModeLocal || i.Serial != p.Serial {
		t.Errorf("after connecting: %+v", i)
	}
	h.Init(p)
	g, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	p.Choose(hsmtest.Choice{M: 1, N: 1})
	p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	want(t, h.Slot.InitRPV(t.Context(), g, nil), hsmapi.CKR_OK)
	if n := p.Sessions(); n != 1 {
		t.Errorf("%d sessions before one is needed", n)
	}
	_, err = h.Login(p, blue[1], blue[2]) // still local: the orange key is not asked for
	want(t, err, hsmapi.CKR_OK)
	if m := h.Slot.Info().PED.Mode; m != channel.ModeLocal {
		t.Error(m)
	}
	p.Choose(hsmtest.Choice{M: 1, N: 1})
	p.Insert(blue[0], blue[1], hsmtest.Insert{Key: "new", PIN: "7777"})
	want(t, h.Slot.ChangePIN(t.Context(), protocol.RoleSO, nil), hsmapi.CKR_OK)
	want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)

	remote := hsmtest.NewPED(p.Keys, h.Origin.Cert)
	h.MustConnect(remote, "")
	remote.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	_, err = h.Login(remote, hsmtest.Insert{Key: "new", PIN: "7777"})
	want(t, err, hsmapi.CKR_OK)
	if m := h.Slot.Info().PED.Mode; m != channel.ModeRPV {
		t.Error(m)
	}
}

// ⚠ Mode local only over a device that this process has opened: a connection
// that has none is refused before the PED hears a word. To take the rule out:
// the check of Device in ConnectLocal.
func TestLocalNeedsADeviceOfOurOwn(t *testing.T) {
	h := hsmtest.NewHSM(t, "1234567", "")
	p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
	p.Local = true
	want(t, h.Slot.ConnectLocal(t.Context(), relayed{p.Connect()}), hsmapi.CKR_PED_AUTH_FAILED)
	// Nor does any other way lead there.
	want(t, h.Connect(t.Context(), p, "12345678"), hsmapi.CKR_PED_AUTH_FAILED)
	want(t, h.Connect(t.Context(), p, ""), hsmapi.CKR_RPV_NOT_INITIALIZED)
	if p.Proven() != 0 || h.Slot.Info().PED.Connected {
		t.Error("the HSM has proved itself to a PED that it may not use")
	}
}

type relayed struct{ *hsmtest.Conn }

func (relayed) Device() usbped.Device { return nil }

// The firmware gate, and an HSM with passwords, know no difference.
func TestLocalRefused(t *testing.T) {
	h := hsmtest.NewHSM(t, "1234567", "")
	p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
	p.Local, p.Firmware = true, "2.8.1"
	want(t, h.ConnectLocal(t.Context(), p), hsmapi.CKR_PED_FIRMWARE)
	p = hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert) // in Remote
	want(t, h.ConnectLocal(t.Context(), p), hsmapi.CKR_PED_AUTH_FAILED)
	p = hsmtest.NewPED(&hsmtest.Keyring{}) // does not know the origin
	p.Local = true
	want(t, h.ConnectLocal(t.Context(), p), hsmapi.CKR_PED_AUTH_FAILED)
	if h.Slot.Info().PED.Connected {
		t.Error("connected")
	}
}

// Who comes first: a local PED that is idle gives way to a remote one, one that
// is at work does not, and nothing local begins beside a remote one.
func TestLocalAndRemote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := local(t)
		p.Choose(hsmtest.Choice{M: 1, N: 1})
		p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
		want(t, h.Slot.InitRPV(t.Context(), nil, nil), hsmapi.CKR_OK)
		h.Init(p)
		remote := hsmtest.NewPED(p.Keys, h.Origin.Cert)

		ctx := hsm.WithCaller(t.Context(), "uid 7 pid 8")
		over := make(chan error)
		go func() { _, err := h.Slot.Login(ctx, protocol.RoleSO, nil); over <- err }()
		synctest.Wait()
		want(t, h.Slot.CheckConnect(false), hsmapi.CKR_OK) // it can be waited for
		e := want(t, h.Connect(t.Context(), remote, ""), hsmapi.CKR_OPERATION_ACTIVE)
		contains(t, e.Msg, "role login")
		contains(t, e.Msg, "uid 7 pid 8")
		bounded, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		e = want(t, h.Slot.Await(bounded), hsmapi.CKR_OPERATION_ACTIVE)
		contains(t, e.Msg, "role login by uid 7 pid 8")
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("waited %v", took)
		}
		p.Insert(blue[0], blue[1])
		want(t, h.Slot.Await(t.Context()), hsmapi.CKR_OK)
		want(t, <-over, hsmapi.CKR_OK)

		want(t, h.Connect(t.Context(), remote, ""), hsmapi.CKR_OK)
		remote.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
		_, err := h.Login(remote, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
		e = want(t, h.ConnectLocal(t.Context(), p), hsmapi.CKR_OPERATION_ACTIVE)
		contains(t, e.Msg, "remote PED")
		want(t, h.Slot.CheckLocal(), hsmapi.CKR_OPERATION_ACTIVE)
		want(t, h.Slot.CheckConnect(false), hsmapi.CKR_OPERATION_ACTIVE)

		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		want(t, h.ConnectLocal(t.Context(), p), hsmapi.CKR_OK)
		e = want(t, h.ConnectLocal(t.Context(), p), hsmapi.CKR_OPERATION_ACTIVE)
		contains(t, e.Msg, "local PED")
		h.Kill()
		synctest.Wait()
	})
}

func TestAwaitCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := local(t)
		over := make(chan error)
		go func() { over <- h.Slot.InitRPV(t.Context(), nil, nil) }()
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		want(t, h.Slot.Await(gone), hsmapi.CKR_FUNCTION_CANCELED)
		p.CancelNext(protocol.CancelOperator)
		want(t, <-over, hsmapi.CKR_FUNCTION_CANCELED)
		h.Kill()
		synctest.Wait()
	})
}

// A pulled cable ends the ceremony at once.
func TestLocalUnplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hsmtest.NewHSM(t, "1234567", "")
		p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
		p.Local = true
		wire := p.Connect()
		want(t, h.Slot.ConnectLocal(t.Context(), hsmtest.Cable{Conn: wire}), hsmapi.CKR_OK)
		over := make(chan error)
		go func() { over <- h.Slot.InitRPV(t.Context(), nil, nil) }()
		synctest.Wait()
		wire.Cut()
		want(t, <-over, hsmapi.CKR_PED_UNPLUGGED)
		want(t, h.ConnectLocal(t.Context(), p), hsmapi.CKR_OK)
		p.Choose(hsmtest.Choice{M: 1, N: 1})
		p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
		want(t, h.Slot.InitRPV(t.Context(), nil, nil), hsmapi.CKR_OK)
		h.Kill()
		synctest.Wait()
	})
}

func contains(t *testing.T, s, part string) {
	t.Helper()
	if !strings.Contains(s, part) {
		t.Errorf("%q does not say %q", s, part)
	}
}
