package hsm_test

import (
	"openped/certs"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"testing"
)

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
