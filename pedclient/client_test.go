package pedclient

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/audit"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

func TestMainJob(t *testing.T) {
	b := newBench(t)
	u := b.bootstrap()
	if len(u.password) != 8 || !slices.Contains(u.events, hsmapi.EventPassword) {
		t.Errorf("password %q, events %v", u.password, u.events)
	}
	u.events = nil
	b.ped.Insert(hsmtest.Blue[0], hsmtest.Blue[2])
	u.must(hsmapi.Login, so())
	if !slices.Equal(u.events, []hsmapi.Event{hsmapi.EventAttend, hsmapi.EventCaution}) {
		t.Errorf("events %v", u.events)
	}
	info := u.must(hsmapi.SlotInfo, slot1())
	if !slices.Equal(info.U8s(hsmapi.TagLoggedIn), []uint8{uint8(protocol.RoleSO)}) || !info.Bool(hsmapi.TagConnected) || !info.Bool(hsmapi.TagSoftware) {
		t.Errorf("%v", info)
	}
	if ser, _ := info.Text(hsmapi.TagPEDSerial); ser != "PED0001" {
		t.Errorf("PED %q", ser)
	}
	u.fails(hsmapi.Login, so(), hsmapi.CKR_USER_ALREADY_LOGGED_IN, "already")

	// What one caller has is not another's, and ends with its connection.
	v := b.user()
	if got := v.must(hsmapi.SlotInfo, slot1()); got.Has(hsmapi.TagLoggedIn) {
		t.Error("a login leaks to another connection")
	}
	v.fails(hsmapi.Logout, slot1(), hsmapi.CKR_USER_NOT_LOGGED_IN, "")
	v.fails(hsmapi.HsmInit, slot1().AddText(hsmapi.TagLabel, "x").AddBool(hsmapi.TagForce, true), hsmapi.CKR_USER_NOT_LOGGED_IN, "")
	v.fails(hsmapi.VectorInit, slot1(), hsmapi.CKR_USER_NOT_LOGGED_IN, "role login")
	g := func() int {
		n := 0
		for _, r := range mustRecords(t, b) {
			if strings.Contains(r, "role logout") {
				n++
			}
		}
		return n
	}
	if g() != 0 {
		t.Error("logged out too early")
	}
	u.leave()
	if g() != 1 {
		t.Error("the login outlives its connection")
	}

	v.must(hsmapi.PedDisconnect, slot1())
	v.must(hsmapi.PedDisconnect, slot1())
	v.fails(hsmapi.Login, so(), hsmapi.CKR_PED_UNPLUGGED, "ped connect")
	v.must(hsmapi.PedConnect, b.address())
	b.ped.Insert(hsmtest.Blue[1], hsmtest.Blue[2])
	v.must(hsmapi.Login, so())
	v.must(hsmapi.Logout, so())
	v.fails(hsmapi.Logout, so(), hsmapi.CKR_USER_NOT_LOGGED_IN, "")

	log := b.log.String()
	for _, s := range []string{u.password, "1111", "4444"} {
		if strings.Contains(log, s) {
			t.Errorf("the log contains the secret %q", s)
		}
	}
}

func mustRecords(t *testing.T, b *bench) (out []string) {
	t.Helper()
	err := b.c.slots[0].audit.Visit(func(r audit.Record) error { out = append(out, auditLine(r)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestIdleEndIsRemembered(t *testing.T) {
	b := newBench(t)
	u := b.bootstrap()
	b.srv.say(protocol.Error{Code: protocol.LinkErrIdle})
	until(t, "disconnected", func() bool { return !b.c.Status().Slots[0].Connected })
	u.fails(hsmapi.Login, so(), hsmapi.CKR_PED_UNPLUGGED, "the remote PED session ended after 0 s idle; run `ped connect`")
	u.fails(hsmapi.ChangePIN, so(), hsmapi.CKR_PED_UNPLUGGED, "idle")
	if r := b.c.Status().Slots[0].Reason; !strings.Contains(r, "idle") {
		t.Errorf("status says %q", r)
	}
	show := u.must(hsmapi.PedShow, slot1()).Texts(hsmapi.TagText)
	if !slices.ContainsFunc(show, func(s string) bool { return strings.Contains(s, "idle") }) {
		t.Errorf("ped show says %q", show)
	}
	u.must(hsmapi.PedConnect, b.address())
	b.ped.Insert(hsmtest.Blue[0], hsmtest.Blue[1])
	u.must(hsmapi.Login, so())
}

// The network goes in the middle of a login: the command ends, the slot says so,
// and the next connect works.
func TestLinkLossDuringLogin(t *testing.T) {
	b := newBench(t)
	u := b.bootstrap()
	b.ped.Insert(hsmtest.Blue[0])
	done := make(chan struct{})
	go func() {
		defer close(done)
		u.fails(hsmapi.Login, so(), hsmapi.CKR_PED_UNPLUGGED, "broke")
	}()
	until(t, "login runs", func() bool { return strings.Contains(b.c.Status().Slots[0].Ceremony, "login") })
	v := b.user() // nothing of this waits for the custodian
	v.must(hsmapi.SlotList, nil)
	v.must(hsmapi.AuditVerify, slot1())
	v.fails(hsmapi.Login, so(), hsmapi.CKR_OPERATION_ACTIVE, "busy")
	b.srv.cut()
	<-done
	if b.c.Status().Slots[0].Connected {
		t.Error("still connected")
	}
	u.must(hsmapi.PedConnect, b.address())
	b.ped.Clear()
	b.ped.Insert(hsmtest.Blue[0], hsmtest.Blue[1])
	u.must(hsmapi.Login, so())
}

func TestCallerGoesDuringLogin(t *testing.T) {
	b := newBench(t)
	u := b.bootstrap()
	b.ped.Insert(hsmtest.Blue[0])
	go u.do(hsmapi.Login, so())
	until(t, "login runs", func() bool { return strings.Contains(b.c.Status().Slots[0].Ceremony, "login") })
	until(t, "the PED asks", b.told(protocol.MsgAuthenticate))
	u.leave()
	until(t, "login ends", func() bool { return b.c.Status().Slots[0].Ceremony == "" })
	until(t, "the PED stops asking", b.told(protocol.MsgCancel))
	if !b.c.Status().Slots[0].Connected {
		t.Error("the connection went with the caller")
	}
	v := b.user()
	b.ped.Clear()
	b.ped.Insert(hsmtest.Blue[0], hsmtest.Blue[1])
	v.must(hsmapi.Login, so())
}

func TestCancel(t *testing.T) {
	b := newBench(t)
	u := b.bootstrap()
	done := make(chan struct{})
	go func() {
		defer close(done)
		u.fails(hsmapi.Login, so(), hsmapi.CKR_FUNCTION_CANCELED, "")
	}()
	until(t, "login runs", func() bool { return strings.Contains(b.c.Status().Slots[0].Ceremony, "login") })
	until(t, "the PED asks", b.told(protocol.MsgAuthenticate))
	if err := u.api.Cancel(); err != nil {
		t.Error(err)
	}
	<-done
	// Else the cancelled dialogue could still take the next keys.
	until(t, "the PED stops asking", b.told(protocol.MsgCancel))
	b.ped.Insert(hsmtest.Blue[0], hsmtest.Blue[1])
	u.must(hsmapi.Login, so())
}

func TestRefusedPrompt(t *testing.T) {
	b := newBench(t)
	u := b.bootstrap()
	b.ped.Insert(hsmtest.Blue[0], hsmtest.Blue[1])
	u.must(hsmapi.Login, so())
	u.yes = false
	if _, err := u.do(hsmapi.HsmInit, slot1().AddText(hsmapi.TagLabel, "x")); err == nil {
		t.Error("initialised against the console's no")
	}
	if !slices.Contains(u.asked, hsmapi.PromptEraseHSM) {
		t.Error("hsm init did not ask")
	}
	info := u.must(hsmapi.SlotInfo, slot1())
	if l, _ := info.Text(hsmapi.TagLabel); l != "demo" {
		t.Errorf("label %q", l)
	}
}

func TestConnectErrors(t *testing.T) {
	b := newBench(t)
	u := b.user()
	u.fails(hsmapi.PedConnect, slot1().AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_ARGUMENTS_BAD, "ped set")
	u.fails(hsmapi.PedConnect, b.address(), hsmapi.CKR_RPV_NOT_INITIALIZED, "-password")
	u.fails(hsmapi.PedConnect, b.address().AddU32(hsmapi.TagSeconds, 1).AddSecret(hsmapi.TagPassword, secret.Copy([]byte("1234567x"))), hsmapi.CKR_ARGUMENTS_BAD, "8 digits")
	u.fails(hsmapi.PedConnect, b.address().AddBool(hsmapi.TagWantPassword, true).AddSecret(hsmapi.TagPassword, secret.Copy([]byte("12345678"))), hsmapi.CKR_ARGUMENTS_BAD, "")
	u.fails(hsmapi.PedConnect, slot1().AddText(hsmapi.TagHost, "127.0.0.1").AddU32(hsmapi.TagPort, 1).AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_PED_UNPLUGGED, "nobody listens at 127.0.0.1 port 1")
	u.fails(hsmapi.PedConnect, slot1().AddText(hsmapi.TagHost, "h").AddU32(hsmapi.TagPort, 0).AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_ARGUMENTS_BAD, "port 0")
	b.srv.setBusy(true)
	u.fails(hsmapi.PedConnect, b.address().AddBool(hsmapi.TagWantPassword, true), hsmapi.CKR_PED_BUSY, "for 61 s now (since ")
	if slices.Contains(u.events, hsmapi.EventPassword) {
		t.Error("a password was shown though nobody can type it")
	}
	u.fails(hsmapi.SlotInfo, hsmapi.Fields{}.AddU32(hsmapi.TagSlot, 2), hsmapi.CKR_SLOT_ID_INVALID, "no slot 2")
	u.fails(hsmapi.SlotInfo, nil, hsmapi.CKR_ARGUMENTS_BAD, "")
	u.fails(hsmapi.Command(99), slot1(), hsmapi.CKR_FUNCTION_NOT_SUPPORTED, "")
	u.fails(hsmapi.Login, slot1(), hsmapi.CKR_USER_TYPE_INVALID, "role")
	u.fails(hsmapi.Login, slot1().AddU8(hsmapi.TagRole, uint8(protocol.RoleDomain)), hsmapi.CKR_USER_TYPE_INVALID, "role")
	u.fails(hsmapi.HsmInit, slot1(), hsmapi.CKR_ARGUMENTS_BAD, "label")
}

func TestOwnPassword(t *testing.T) {
	b := newBench(t)
	u := b.user()
	b.ped.Type("20304050")
	u.must(hsmapi.PedConnect, b.address().AddSecret(hsmapi.TagPassword, secret.Copy([]byte("20304050"))))
	if u.password != "" || !slices.Contains(u.events, hsmapi.EventPassword) {
		t.Errorf("password %q, events %v", u.password, u.events)
	}
	if strings.Contains(b.log.String(), "20304050") {
		t.Error("the password is in the log")
	}
}

func TestPedSet(t *testing.T) {
	b := newBench(t)
	u := b.user()
	u.fails(hsmapi.PedSet, slot1(), hsmapi.CKR_ARGUMENTS_BAD, "")
	u.fails(hsmapi.PedSet, slot1().AddU32(hsmapi.TagPort, 5), hsmapi.CKR_ARGUMENTS_BAD, "without an address")
	u.must(hsmapi.PedSet, b.address())
	b.ped.Type("20304050")
	u.must(hsmapi.PedConnect, slot1().AddSecret(hsmapi.TagPassword, secret.Copy([]byte("20304050"))))
	u.must(hsmapi.PedSet, slot1().AddText(hsmapi.TagHost, "ped.example")) // the usual port
	u.leave()

	// It outlives pedclient, with what a later version put there.
	file := b.file() + settingsSuffix
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	m["later"] = "kept"
	raw, _ = json.Marshal(m)
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	b.c.Close()
	b.start()
	if d := b.c.Status().Slots[0].Default; d != "ped.example port 1503" {
		t.Errorf("default %q", d)
	}
	u = b.user()
	u.must(hsmapi.PedSet, slot1().AddU32(hsmapi.TagPort, 1600))
	if raw, _ = os.ReadFile(file); !strings.Contains(string(raw), `"later": "kept"`) || !strings.Contains(string(raw), "1600") {
		t.Errorf("%s", raw)
	}
}

func TestSettingsRefused(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"foreign": {"hello", "is no settings file of pedclient"},
		"other":   {`{"magic":"x"}`, "is no settings file of pedclient"},
		"newer":   {`{"magic":"openped-pedclient-slot","version":2}`, "install the newer release"},
		"port":    {`{"magic":"openped-pedclient-slot","version":1,"host":"h","port":70000}`, "damaged"},
		"huge":    {strings.Repeat(" ", maxSettings+1), "is no settings file"},
	} {
		p := filepath.Join(t.TempDir(), "s")
		if err := os.WriteFile(p, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openSettings(p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if b, _ := os.ReadFile(p); string(b) != c.content {
			t.Errorf("%s: the file was touched", name)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	b := newBench(t)
	if _, err := New(Config{HSMFiles: []string{b.file()}}); err == nil || !strings.HasPrefix(err.Error(), "slot 1: ") {
		t.Errorf("an HSM in use: %v", err)
	}
	if _, err := New(Config{HSMFiles: []string{filepath.Join(b.dir, "none")}}); err == nil {
		t.Error("no file")
	}
	if _, err := New(Config{HSMFiles: make([]string, MaxSlots+1)}); err == nil {
		t.Error("too many slots")
	}
	if _, err := CreateHSM(b.file(), "1", "7.7.0", filepath.Join(b.dir, "origin"), hsm.AuthPED); err == nil {
		t.Error("an HSM was replaced")
	}
	if _, err := CreateHSM(filepath.Join(b.dir, "two"), "bad serial!", "", b.dir, hsm.AuthPED); err == nil {
		t.Error("bad serial")
	}
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"magic":"openped-pedclient-slot","version":1,"host":"h","port":1503,"later":[1]}`))
	f.Add([]byte(`{"magic":"openped-pedclient-slot","version":2}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &settings{path: filepath.Join(t.TempDir(), "s")}
		if s.decode(b) != nil {
			return
		}
		if s.target.Port < 0 || s.target.Port > 65535 {
			t.Errorf("port %d", s.target.Port)
		}
		if err := s.set(Target{Host: "x", Port: 1, TLS: true}); err != nil {
			t.Fatal(err)
		}
		again, err := openSettings(s.path)
		if err != nil || again.target != (Target{Host: "x", Port: 1, TLS: true}) || len(again.rest) != len(s.rest) {
			t.Errorf("%v: %+v", err, again)
		}
	})
}
