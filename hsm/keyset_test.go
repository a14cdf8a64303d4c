package hsm_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"testing"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/rpv"
)

func TestInitChecksItsArguments(t *testing.T) {
	h := hsmtest.NewHSM(t, "1234567", "")
	for _, label := range []string{"", "123456789012345678901234567890123", "tab\t", "ümlaut"} {
		want(t, h.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: label}, nil), hsmapi.CKR_ARGUMENTS_BAD)
	}
	want(t, h.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "x"}, nil), hsmapi.CKR_PED_UNPLUGGED)
}

// An initialised HSM is erased only by its SO, with consent at the console and
// at the PED; then only the new quorum counts.
func TestReinit(t *testing.T) {
	h, p := ready(t)
	login := func() *hsm.Grant {
		t.Helper()
		g, err := h.Login(p, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
		return g
	}
	g := login()
	released := login()
	released.Release()
	elsewhere := hsmtest.NewHSM(t, "7654321", "")
	q := hsmtest.NewPED(&hsmtest.Keyring{}, elsewhere.Origin.Cert)
	elsewhere.Bootstrap(q)
	elsewhere.Init(q)
	foreign, err := elsewhere.Login(q, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	for name, grant := range map[string]*hsm.Grant{"none": nil, "released": released, "another slot's": foreign} {
		err := h.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "new", Grant: grant, Force: true}, nil)
		if e := want(t, err, hsmapi.CKR_USER_NOT_LOGGED_IN); e == nil {
			t.Error(name)
		}
		want(t, h.Slot.InitRPV(t.Context(), grant, nil), hsmapi.CKR_USER_NOT_LOGGED_IN)
	}
	opt := hsm.InitOptions{Label: "new", Grant: g}
	want(t, h.Slot.InitHSM(t.Context(), opt, hsmtest.Console{Yes: false}), hsmapi.CKR_FUNCTION_CANCELED)
	p.Answer(false)
	want(t, h.Slot.InitHSM(t.Context(), opt, hsmtest.Console{Yes: true}), hsmapi.CKR_PED_REFUSED)
	opt.Force = true
	p.Answer(false)
	want(t, h.Slot.InitHSM(t.Context(), opt, nil), hsmapi.CKR_PED_REFUSED)
	if !g.Valid() {
		t.Error("login lost without reason")
	}
	login()

	p.Answer(true)
	p.Choose(hsmtest.Choice{M: 1, N: 1}, hsmtest.Choice{M: 1, N: 1})
	p.Insert(hsmtest.Insert{Key: "newblue", PIN: "7777"}, hsmtest.Insert{Key: "newred"})
	want(t, h.Slot.InitHSM(t.Context(), opt, nil), hsmapi.CKR_OK)
	if g.Valid() {
		t.Error("a login of the erased HSM still stands")
	}
	_, err = h.Login(p, hsmtest.Insert{Key: "newblue", PIN: "7777"})
	want(t, err, hsmapi.CKR_OK)
	_, err = h.Login(p, blue[0])
	want(t, err, hsmapi.CKR_PIN_INCORRECT)
	if i := h.Slot.Info(); i.Label != "new" {
		t.Errorf("label %q", i.Label)
	}
}

func TestChangePIN(t *testing.T) {
	h, p := ready(t)
	domain := domainSecret(t, p)
	p.Insert(wrong(blue[0]), blue[1])
	want(t, h.Slot.ChangePIN(t.Context(), protocol.RoleSO, nil), hsmapi.CKR_PIN_INCORRECT)
	if failures(h) != 1 {
		t.Error("not counted")
	}
	p.Insert(blue[0], blue[1])
	p.Choose(hsmtest.Choice{M: 1, N: 2, Duplicates: 2})
	for _, name := range []string{"n1", "n2", "d1", "d2", "e1", "e2"} {
		p.Insert(hsmtest.Insert{Key: name, PIN: "8888"})
	}
	want(t, h.Slot.ChangePIN(t.Context(), protocol.RoleSO, nil), hsmapi.CKR_OK)
	for _, name := range []string{"n1", "n2", "d1", "d2", "e1", "e2"} {
		_, err := h.Login(p, hsmtest.Insert{Key: name, PIN: "8888"})
		want(t, err, hsmapi.CKR_OK)
	}
	_, err := h.Login(p, blue[0])
	want(t, err, hsmapi.CKR_PIN_INCORRECT)
	// What the role guards went with it.
	if got := vault(t, h, p, "n1", "8888"); !got.Equal(domain) {
		t.Error("the domain's secret was lost")
	}
}

// domainSecret reads the secret of the fixture's 1-of-1 red key without PIN.
func domainSecret(t *testing.T, p *hsmtest.PED) *secret.Buffer {
	t.Helper()
	k := p.Keys.Take("red")
	set := k.Current
	if set == nil {
		set = k.Pending
	}
	v, err := set.Unmask(nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// vault opens the SO's vault with a 1-of-N key, outside the HSM.
func vault(t *testing.T, h *hsmtest.HSM, p *hsmtest.PED, key, pin string) *secret.Buffer {
	t.Helper()
	v, err := p.Keys.Take(key).Current.Unmask([]byte(pin))
	if err != nil {
		t.Fatal(err)
	}
	rec := h.State().Roles[protocol.RoleSO]
	out, err := hsm.Unseal("1234567", protocol.RoleSO, rec.Set, v, rec.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// In one login a duplicate is the same share as its original; across copies a
// quorum may be mixed.
func TestDuplicates(t *testing.T) {
	h, p := ready(t)
	p.Insert(blue[0], blue[1])
	p.Choose(hsmtest.Choice{M: 2, N: 2, Duplicates: 1})
	for _, name := range []string{"n1", "n2", "d1", "d2"} {
		p.Insert(hsmtest.Insert{Key: name})
	}
	want(t, h.Slot.ChangePIN(t.Context(), protocol.RoleSO, nil), hsmapi.CKR_OK)
	for _, q := range [][2]string{{"n1", "d2"}, {"d1", "n2"}, {"d1", "d2"}} {
		_, err := h.Login(p, hsmtest.Insert{Key: q[0]}, hsmtest.Insert{Key: q[1]})
		want(t, err, hsmapi.CKR_OK)
	}
	_, err := h.Login(p, hsmtest.Insert{Key: "n1"}, hsmtest.Insert{Key: "d1"}, hsmtest.Insert{Key: "n2"})
	want(t, err, hsmapi.CKR_OK)
	if failures(h) != 0 {
		t.Error("a duplicate counted as a failure")
	}
}

// Two shares on one key would be one share less. A PED should not let it happen;
// the HSM does not commit what it sees happen.
func TestOneKeyTwiceIsNotCommitted(t *testing.T) {
	h, p := ready(t)
	p.Insert(blue[0], blue[1])
	p.Choose(hsmtest.Choice{M: 2, N: 2})
	p.Insert(hsmtest.Insert{Key: "n1"}, hsmtest.Insert{Key: "n1"})
	want(t, h.Slot.ChangePIN(t.Context(), protocol.RoleSO, nil), hsmapi.CKR_PED_KEY_FAULT)
	_, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	// In the duplicates it is too late to undo anything, and said.
	p.Insert(blue[0], blue[1])
	p.Choose(hsmtest.Choice{M: 1, N: 1, Duplicates: 1})
	p.Insert(hsmtest.Insert{Key: "n1"}, hsmtest.Insert{Key: "n1"})
	console := &noticed{}
	want(t, h.Slot.ChangePIN(t.Context(), protocol.RoleSO, console), hsmapi.CKR_OK)
	if len(console.got) != 2 || console.got[0] != hsm.NoticeAttend || console.got[1] != hsm.NoticeDuplicatesFailed {
		t.Errorf("notices %v", console.got)
	}
	_, err = h.Login(p, hsmtest.Insert{Key: "n1"})
	want(t, err, hsmapi.CKR_OK)
}

type noticed struct {
	hsmtest.Console
	got []hsm.Notice
}

func (n *noticed) Notice(x hsm.Notice) { n.got = append(n.got, x) }

// What custodians guard is nowhere in the HSM's files; the RPV, which a start
// needs, is, and shows that the search finds.
func TestSecretsAtRest(t *testing.T) {
	h, p := ready(t)
	g, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	g.Release()
	state, err := os.ReadFile(h.Path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(h.Path + ".audit")
	if err != nil {
		t.Fatal(err)
	}
	found := func(s []byte) bool {
		for _, file := range [][]byte{state, log} {
			forms := [][]byte{s, []byte(hex.EncodeToString(s))}
			for skip := range 3 { // base64 differs by what stands before
				part := s[skip:]
				forms = append(forms, []byte(base64.StdEncoding.EncodeToString(part[:len(part)/3*3])))
			}
			for _, form := range forms {
				if bytes.Contains(file, form) {
					return true
				}
			}
		}
		return false
	}
	if !found(h.State().RPV.Value.Bytes()) {
		t.Fatal("the search does not find the RPV")
	}
	if found(domainSecret(t, p).Bytes()) {
		t.Error("domain secret")
	}
	var shares []rpv.Share
	for _, b := range blue[:2] {
		set := p.Keys.Take(b.Key).Current
		v, err := set.Unmask([]byte(b.PIN))
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, rpv.Share{Index: set.Index, Value: v})
		if found(v.Bytes()) {
			t.Error("a share")
		}
	}
	joined, err := rpv.Join(shares)
	if err != nil {
		t.Fatal(err)
	}
	if found(joined.Bytes()) {
		t.Error("the SO's secret")
	}
}
