package hsm_test

import (
	"strings"
	"testing"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/hsm/virtual"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// F-34: a password-authenticated HSM has no Remote PED. Whoever tries learns it
// at once, with what to do instead, and no PED hears of it. To take the remedy
// out: drop needPED from begin and from CheckConnect.
func TestF34PasswordHSM(t *testing.T) {
	h := hsmtest.NewHSMOf(t, virtual.CreateOptions{Serial: "1234567", Auth: hsm.AuthPassword})
	if a := h.Slot.Info().Auth; a != hsm.AuthPassword {
		t.Errorf("shown as %v", a)
	}
	p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
	p.Pair = true
	digits := secret.Copy([]byte("12345678"))
	for name, try := range map[string]func() error{
		"what is asked before dialling":                 func() error { return h.Slot.CheckConnect(false) },
		"what is asked before dialling with a password": func() error { return h.Slot.CheckConnect(true) },
		"ped connect": func() error { return h.Slot.Connect(t.Context(), p.Connect(), hsm.ConnectOptions{}) },
		"ped connect -password": func() error {
			return h.Slot.Connect(t.Context(), p.Connect(), hsm.ConnectOptions{Password: digits})
		},
		"ped vector init": func() error { return h.Slot.InitRPV(t.Context(), nil, nil) },
		"hsm init":        func() error { return h.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "x"}, nil) },
		"role login":      func() error { _, err := h.Slot.Login(t.Context(), protocol.RoleSO, nil); return err },
		"role changepw":   func() error { return h.Slot.ChangePIN(t.Context(), protocol.RoleSO, nil) },
	} {
		e := want(t, try(), hsmapi.CKR_FUNCTION_NOT_SUPPORTED)
		for _, part := range []string{"password-authenticated", "no Remote PED"} {
			if !strings.Contains(e.Msg, part) {
				t.Errorf("%s: %q does not say %q", name, e.Msg, part)
			}
		}
		for _, part := range []string{"red domain", "attach a PED to the HSM itself", "pedserver -mode stop"} {
			if !strings.Contains(e.Hint, part) {
				t.Errorf("%s: the hint %q does not say %q", name, e.Hint, part)
			}
		}
	}
	want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	if n := p.Frames(); n != 0 {
		t.Errorf("%d frames reached a PED", n)
	}
	for _, r := range h.Records() {
		if r.Event != "start" {
			t.Errorf("recorded: %+v", r)
		}
	}
	h.Restart()
	if a := h.Slot.Info().Auth; a != hsm.AuthPassword {
		t.Errorf("after a restart: %v", a)
	}
}
