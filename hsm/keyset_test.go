package hsm_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"testing"

	"openped/certs"
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

// A keyset of one HSM is taken over by another: one set of keys for both.
func TestReuse(t *testing.T) {
	a, p := ready(t)
	b := hsmtest.NewHSM(t, "7654321", "")
	q := hsmtest.NewPED(p.Keys, b.Origin.Cert)
	q.Pair = true
	q.Type("12345678")
	b.MustConnect(q, "12345678")
	q.Choose(hsmtest.Choice{M: 1, N: 1})
	q.Insert(hsmtest.Insert{Key: "orangeB"}, hsmtest.Insert{Key: "orangeB"})
	want(t, b.Slot.InitRPV(t.Context(), nil, nil), hsmapi.CKR_OK)

	// Different keys in the two passes are fine; so is a key shown twice, which
	// does not help.
	q.Choose(hsmtest.Choice{Reuse: true, Duplicates: 1}, hsmtest.Choice{Reuse: true})
	q.Insert(blue[0], blue[0], blue[1], blue[2], blue[1],
		hsmtest.Insert{Key: "d1"}, hsmtest.Insert{Key: "d2"}, hsmtest.Insert{Key: "d3"}, red[0], red[0])
	want(t, b.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "b"}, nil), hsmapi.CKR_OK)
	for _, h := range []*hsmtest.HSM{a, b} {
		ped := p
		if h == b {
			ped = q
		}
		_, err := h.Login(ped, blue[2], blue[0])
		want(t, err, hsmapi.CKR_OK)
		_, err = h.Login(ped, hsmtest.Insert{Key: "d1"}, blue[2]) // the duplicates fit both
		want(t, err, hsmapi.CKR_OK)
	}
	if !bytes.Equal(ids(a.State()), ids(b.State())) {
		t.Error("other sets than the originals")
	}
}

func ids(st *hsm.State) []byte {
	so, domain := st.Roles[protocol.RoleSO].Set, st.Roles[protocol.RoleDomain].Set
	return append(so[:], domain[:]...)
}

// ⚠ A reused quorum is read twice and both readings must agree: a mistyped PIN
// would otherwise become the secret. To take the rule out: skip the comparison
// in reuse.
func TestMistypedPINOnReuse(t *testing.T) {
	_, p := ready(t)
	for _, keys := range [][]hsmtest.Insert{
		{wrong(blue[0]), blue[1], blue[0], blue[1]},
		{blue[0], blue[1], blue[0], wrong(blue[1])},
		{blue[0], wrong(blue[1]), wrong(blue[0]), blue[1]},
	} {
		b := hsmtest.NewHSM(t, "7654321", "")
		q := hsmtest.NewPED(p.Keys, b.Origin.Cert)
		q.Pair = true
		q.Type("12345678")
		b.MustConnect(q, "12345678")
		q.Choose(hsmtest.Choice{Reuse: true}, hsmtest.Choice{M: 1, N: 1})
		q.Insert(keys...)
		q.Insert(hsmtest.Insert{Key: "redB"})
		want(t, b.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "b"}, nil), hsmapi.CKR_PIN_INCORRECT)
		if b.State().Initialized() {
			t.Error("initialised with a secret nobody has")
		}
	}
}

// Keys of two sets do not mix in a reuse.
func TestReuseTakesOneSet(t *testing.T) {
	h, p := ready(t)
	p.Insert(blue[0], blue[1])
	p.Choose(hsmtest.Choice{M: 2, N: 2})
	p.Insert(hsmtest.Insert{Key: "n1"}, hsmtest.Insert{Key: "n2"})
	want(t, h.Slot.ChangePIN(t.Context(), protocol.RoleSO, nil), hsmapi.CKR_OK)

	b := hsmtest.NewHSM(t, "7654321", "")
	q := hsmtest.NewPED(p.Keys, b.Origin.Cert)
	b.Bootstrap(q)
	q.Choose(hsmtest.Choice{Reuse: true}, hsmtest.Choice{M: 1, N: 1})
	n1, n2 := hsmtest.Insert{Key: "n1"}, hsmtest.Insert{Key: "n2"}
	q.Insert(n1, blue[1], n2, blue[0], n1, n2, hsmtest.Insert{Key: "redB"})
	want(t, b.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "b"}, nil), hsmapi.CKR_OK)
	_, err := b.Login(q, n2, n1)
	want(t, err, hsmapi.CKR_OK)
}

// A rotated RPV: new keys work, old ones are refused ⚠ (the new list replaces
// the old). To take the rule out: append to the list in commitRPV.
func TestRotateRPV(t *testing.T) {
	h, p := ready(t)
	g, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	p.Choose(hsmtest.Choice{M: 2, N: 3, Duplicates: 1})
	for _, name := range []string{"o1", "o2", "o3", "x1", "x2", "x3"} {
		p.Insert(hsmtest.Insert{Key: name, PIN: "6666"})
	}
	want(t, h.Slot.InitRPV(t.Context(), g, nil), hsmapi.CKR_OK)
	if !g.Valid() {
		t.Error("the SO was logged out")
	}
	if st := h.State(); len(st.RPV.RPKs) != 3 || st.RPV.M != 2 || st.RPV.N != 3 {
		t.Errorf("RPV: %+v", st.RPV)
	}
	// The old orange key, still in the drawer of a former custodian.
	p.ForgetOrange(true)
	p.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	_, err = h.Login(p)
	want(t, err, hsmapi.CKR_PED_AUTH_FAILED)
	for _, pair := range [][2]string{{"o1", "o3"}, {"x3", "o2"}, {"x1", "x2"}} {
		p.ForgetOrange(true)
		want(t, h.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
		h.MustConnect(p, "")
		p.Insert(hsmtest.Insert{Key: pair[0], PIN: "6666"}, hsmtest.Insert{Key: pair[1], PIN: "6666"})
		_, err = h.Login(p, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
	}
}

// The RPV of one HSM is shared with another. Both serve the same orange keys
// then, each with a certificate of its own; a key that was not shown to the
// second HSM is not its.
func TestReuseRPV(t *testing.T) {
	a, p := ready(t)
	g, err := a.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	o1, o2, o3 := hsmtest.Insert{Key: "o1", PIN: "6666"}, hsmtest.Insert{Key: "o2", PIN: "6667"}, hsmtest.Insert{Key: "o3", PIN: "6668"}
	p.Choose(hsmtest.Choice{M: 2, N: 3})
	p.Insert(o1, o2, o3)
	want(t, a.Slot.InitRPV(t.Context(), g, nil), hsmapi.CKR_OK)

	b := hsmtest.NewHSM(t, "7654321", "")
	q := hsmtest.NewPED(p.Keys, b.Origin.Cert)
	q.Pair = true
	q.Type("12345678")
	b.MustConnect(q, "12345678")
	q.Choose(hsmtest.Choice{Reuse: true})
	q.Insert(o1, o1, o2, o2, o1)
	want(t, b.Slot.InitRPV(t.Context(), nil, nil), hsmapi.CKR_OK)
	if st := b.State(); len(st.RPV.RPKs) != 2 || !st.RPV.Value.Equal(a.State().RPV.Value) {
		t.Errorf("%d RPKs", len(st.RPV.RPKs))
	}
	q.Insert(o2, o1)
	b.Init(q)
	q.ForgetOrange(true)
	want(t, b.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	b.MustConnect(q, "")
	q.Insert(o1, o3) // o3 does not list b
	_, err = b.Login(q)
	want(t, err, hsmapi.CKR_PED_AUTH_FAILED)
	p.ForgetOrange(true)
	want(t, a.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	a.MustConnect(p, "")
	p.Insert(o2, o1)
	// b's blue keys were written over a's: until b has seen them they hold both,
	// and a leaves alone what it does not know.
	for range 2 {
		_, err = a.Login(p, blue[0], blue[1])
		want(t, err, hsmapi.CKR_OK)
	}
	q.Clear()
	q.ForgetOrange(true)
	q.Insert(o1, o2)
	_, err = b.Login(q, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
}

// A mistyped orange PIN in either pass changes nothing.
func TestMistypedPINOnReuseOfAnRPV(t *testing.T) {
	a, p := ready(t)
	b := hsmtest.NewHSM(t, "7654321", "")
	q := hsmtest.NewPED(p.Keys, b.Origin.Cert)
	q.Pair = true
	q.Type("12345678")
	b.MustConnect(q, "12345678")
	q.Choose(hsmtest.Choice{Reuse: true})
	q.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"}, hsmtest.Insert{Key: "orange", PIN: "4445"})
	want(t, b.Slot.InitRPV(t.Context(), nil, nil), hsmapi.CKR_PED_KEY_FAULT)
	if b.State().RPV != nil {
		t.Error("an RPV nobody has")
	}
	_, err := a.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
}

// ⚠ Own public keys coming back are refused. To take the rule out: certifyRPK
// without isOwn.
func TestThiefReturnsTheHSMsOwnKey(t *testing.T) {
	b := hsmtest.NewHSM(t, "7654321", "")
	_, p := ready(t)
	q := hsmtest.NewPED(p.Keys, b.Origin.Cert)
	q.Pair = true
	q.Type("12345678")
	b.MustConnect(q, "12345678")
	own := b.Slot.StaticKey()
	q.Hook = func(m protocol.Message) protocol.Message {
		if kp, ok := m.(*protocol.KeyPresented); ok {
			kp.RPKPub = certs.SPKI(own)
		}
		return m
	}
	q.Choose(hsmtest.Choice{Reuse: true})
	q.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"}, hsmtest.Insert{Key: "orange", PIN: "4444"})
	want(t, b.Slot.InitRPV(t.Context(), nil, nil), hsmapi.CKR_PED_AUTH_FAILED)
	if b.State().RPV != nil {
		t.Error("an RPV was taken over")
	}
}

// ⚠ A wrapped secret opens under its own label only: a share of one login is no
// share of another. To take the rule out: a label without the ceremony.
func TestThiefReplaysAShare(t *testing.T) {
	h, p := ready(t)
	var kept *protocol.Share
	p.Hook = func(m protocol.Message) protocol.Message {
		if sh, ok := m.(*protocol.Share); ok && sh.Index == 1 {
			if kept == nil {
				c := *sh
				kept = &c
			} else {
				sh.Wrapped = kept.Wrapped
			}
		}
		return m
	}
	_, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	_, err = h.Login(p, wrong(blue[0]), blue[1])
	want(t, err, hsmapi.CKR_PED_AUTH_FAILED)
	if h.Slot.Connected().Connected {
		t.Error("the connection survived")
	}
}

// A PED that breaks the protocol loses its connection, and nothing changes.
func TestHostilePED(t *testing.T) {
	type breaker func(m protocol.Message) protocol.Message
	for name, hook := range map[string]breaker{
		"another ceremony": func(m protocol.Message) protocol.Message {
			if k, ok := m.(*protocol.KeyPresented); ok {
				k.Ceremony[3] ^= 1
			}
			return m
		},
		"out of place": func(m protocol.Message) protocol.Message {
			if k, ok := m.(*protocol.KeyPresented); ok {
				return &protocol.DuplicateChoice{Ceremony: k.Ceremony, Yes: true}
			}
			return m
		},
		"a message of the HSM's": func(m protocol.Message) protocol.Message {
			if k, ok := m.(*protocol.KeyPresented); ok {
				return &protocol.End{Ceremony: k.Ceremony, Result: protocol.EndOK}
			}
			return m
		},
		"share of a key not shown": func(m protocol.Message) protocol.Message {
			if s, ok := m.(*protocol.Share); ok {
				s.Key[0] ^= 1
			}
			return m
		},
		"share of another set": func(m protocol.Message) protocol.Message {
			if s, ok := m.(*protocol.Share); ok {
				s.Set[0] ^= 1
			}
			return m
		},
		"another index": func(m protocol.Message) protocol.Message {
			if s, ok := m.(*protocol.Share); ok {
				s.Index = s.Index%3 + 1
			}
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, p := ready(t)
			p.Hook = hook
			_, err := h.Login(p, blue[0], blue[1])
			var e *hsm.Error
			if !errors.As(err, &e) || e.Code != hsmapi.CKR_CALLBACK_ERROR && e.Code != hsmapi.CKR_PED_AUTH_FAILED {
				t.Fatal(hsmtest.Describe(err))
			}
			if h.Slot.Connected().Connected {
				t.Error("the connection survived")
			}
			p.Hook = nil
			p.Clear()
			h.MustConnect(p, "")
			_, err = h.Login(p, blue[0], blue[1])
			want(t, err, hsmapi.CKR_OK)
		})
	}
}

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
			for _, form := range [][]byte{s, []byte(hex.EncodeToString(s)), []byte(base64.StdEncoding.EncodeToString(s))} {
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
