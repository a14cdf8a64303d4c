package pedclient

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"openped/hsm"
	"openped/protocol/hsmapi"
)

// F-34: for a password-authenticated HSM nothing is dialled, with or without an
// address, and whoever tries is told what to do.
func TestF34NothingIsDialled(t *testing.T) {
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, log: new(logBuffer), tune: func(c *Config) {
		c.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
			t.Errorf("dialled %s", address)
			return nil, errors.New("no network")
		}
	}}
	if _, err := CreateHSM(b.file(), "7000001", "7.7.0", filepath.Join(dir, "origin"), hsm.AuthPassword); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(func() { b.c.Close() })
	u := b.user()
	if auth, _ := u.must(hsmapi.SlotInfo, slot1()).Text(hsmapi.TagAuth); auth != "password" {
		t.Errorf("shown as %q", auth)
	}
	address := slot1().AddText(hsmapi.TagHost, "127.0.0.1")
	for _, c := range []struct {
		cmd hsmapi.Command
		f   hsmapi.Fields
	}{
		{hsmapi.PedConnect, slot1()}, {hsmapi.PedConnect, address}, {hsmapi.PedConnect, address.AddBool(hsmapi.TagWantPassword, true)},
		{hsmapi.VectorInit, slot1()}, {hsmapi.HsmInit, slot1().AddText(hsmapi.TagLabel, "x")}, {hsmapi.Login, so()}, {hsmapi.ChangePIN, so()},
	} {
		for _, words := range []string{"password-authenticated: it has no Remote PED", "attach a PED to the HSM itself", "`pedserver -mode stop`"} {
			u.fails(c.cmd, c.f, hsmapi.CKR_FUNCTION_NOT_SUPPORTED, words)
		}
	}
	if u.password != "" || len(u.events) != 0 {
		t.Errorf("people were called: %v", u.events)
	}
}
