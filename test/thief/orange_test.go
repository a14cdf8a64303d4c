package thief

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
	"openped/rpv"
	"openped/softped"
	"openped/softped/softpedtest"
)

// steal reads a PED key as a thief with its PIN does.
func (r *rig) steal(k custodian) (rpvShare *secret.Buffer, key *rpv.RPK) {
	r.t.Helper()
	stolen, err := r.keys.Load(k.Key)
	if err != nil {
		r.t.Fatal(err)
	}
	set := stolen.Current
	if set == nil {
		set = stolen.Pending
	}
	v, err := set.Unmask([]byte(k.PIN))
	if err != nil {
		r.t.Fatal(err)
	}
	return v, set.RPK
}

// TestStolenOrangeKeyIsNoHSM: an orange key with its PIN has the RPV, a private
// key, and a certificate by the HSM's issuing key. None of it makes an HSM: not
// to a PED that uses the very same orange key.
//
// Rule out: in certs' verifyHSM, take a certificate of role RPK for a static one.
// (That X_U is in K0, which stops a thief who would get past the certificates, is
// tested in package channel.)
func TestStolenOrangeKeyIsNoHSM(t *testing.T) {
	r := newRig(t, nil)
	r.bootstrap()
	_, rpk := r.steal(orange)
	static, err := rpk.Key()
	if err != nil {
		t.Fatal(err)
	}
	issuing, root := r.Driver.Chain()
	chain := as(t, r.HSM, r.State().StartCounter).chain // seen in any Hello
	r.people.Remove()
	fresh := newTwin(t, r) // a PED that has not seen this HSM, so knows no start counter of it
	follow := fresh.watch()
	for name, c := range map[string]struct {
		p     posing
		reply bool
	}{
		"its certificate for the HSM's": {posing{[][]byte{rpk.Certs[0].DER, issuing, root}, static, serial}, false},
		"the HSM's public chain":        {posing{chain, static, serial}, true},
	} {
		line := fresh.plug()
		u, hello := c.p.u(t, channel.ModeRPV, "", careless{})
		send(t, line, hello)
		got, err := receive(t, line)
		if err != nil {
			t.Fatal(err)
		}
		if c.reply {
			proof, err := u.Reply(got)
			if err != nil {
				t.Fatal(err)
			}
			send(t, line, proof)
			if got, err = receive(t, line); err != nil {
				t.Fatal(err)
			}
		}
		if !channel.IsAlert(got) {
			t.Errorf("%s: the PED answers with a message of type %#x", name, got[0])
		}
	}
	fresh.plug()
	if s := follow.shown(); slices.ContainsFunc(s, asks) {
		t.Errorf("the PED showed %v", s)
	}
}

// TestOrangeKeyAsksNoPINForOthers: a genuine HSM of the same maker that the
// orange key does not list gets the alert when the key is inserted: no PIN is
// asked for it, no YES can be given, no PedAuth leaves the PED.
//
// Rule out: in softped's readRPVKey, drop the check of the list.
func TestOrangeKeyAsksNoPINForOthers(t *testing.T) {
	r := newRig(t, nil)
	r.bootstrap()
	other := as(t, hsmtest.NewHSM(t, "7000002", ""), 1)
	for name, c := range map[string]struct {
		p    posing
		pins int
	}{
		"control: the key's own HSM": {as(t, r.HSM, r.State().StartCounter), 1},
		"another HSM":                {other, 0},
	} {
		r.plug()
		r.mode(protocol.PEDModeRemote)
		follow := r.watch()
		before := r.mark()
		u, line := r.begin(c.p, channel.ModeRPV, "", careless{})
		r.people.Wait("key.insert").Insert(orange.Key).Press("E")
		if c.pins > 0 {
			r.people.Wait("key.pin").Press(orange.PIN + "E")
		}
		auth, err := r.answer(u, line)
		if auth != (c.pins > 0) || !auth && !errors.Is(err, channel.ErrAlert) {
			t.Errorf("%s: PedAuth %v, %v", name, auth, err)
		}
		pins := 0
		for _, id := range follow.shown() {
			if id == "key.pin" {
				pins++
			}
			if asks(id) && id != "key.insert" && id != "key.pin" && id != "session.compute" {
				t.Errorf("%s: the PED showed %s", name, id)
			}
		}
		if pins != c.pins {
			t.Errorf("%s: the PIN was asked %d times, want %d", name, pins, c.pins)
		}
		for _, f := range r.passed(before) {
			if !f.toPED && channel.Type(f.record[0]) == channel.TypePedAuth && c.pins == 0 {
				t.Errorf("%s: a PedAuth left the PED", name)
			}
		}
	}
}

// TestRotationEndsOldOrangeKeys: after a new RPV is made, an orange key of the old
// one, a copy that a thief has kept with its PIN, is of no use to him, with
// whatever PED of his own; and an honest PED does not ask for its PIN any more.
//
// Rule out: in hsm's commitRPV, add the new list to the old one and keep the old
// value.
func TestRotationEndsOldOrangeKeys(t *testing.T) {
	r := ready(t)
	old, err := r.keys.Load(orange.Key)
	if err != nil {
		t.Fatal(err)
	}
	value, rpk := r.steal(orange)
	private, err := rpk.Key()
	if err != nil {
		t.Fatal(err)
	}
	thief := channel.AuthInput{RPKCert: rpk.Certs[0].DER, RPK: private, RPV: value.Bytes()}
	wants(t, r.loginWith(thief), hsmapi.CKR_PED_REFUSED) // control: he is taken for a PED
	wants(t, r.connect(""), hsmapi.CKR_OK)

	next := custodian{Key: "orange2", PIN: "75319864"}
	g := r.login(hsmapi.CKR_OK, blue[0], blue[1])
	r.vector(r.HSM, g, next)
	wants(t, r.loginWith(thief), hsmapi.CKR_PED_AUTH_FAILED)
	if n := len(r.State().Failed); n != 0 {
		t.Errorf("a key that is not listed fills the HSM's state: %d entries", n)
	}
	if err := r.keys.Save(orange.Key, old); err != nil {
		t.Fatal(err)
	}
	wants(t, r.connect(""), hsmapi.CKR_OK)
	c := start(func() error {
		_, err := r.Slot.Login(t.Context(), protocol.RoleSO, nil)
		return err
	})
	follow := r.watch()
	r.people.Wait("key.insert").Insert(orange.Key).Press("E").Wait("notice.wrong-key")
	if s := follow.shown(); slices.Contains(s, "key.pin") {
		t.Errorf("the PIN of an old orange key was asked: %v", s)
	}
	r.people.Insert(next.Key).Press("E").Wait("key.pin").Press(next.PIN + "E")
	r.share(blue[1], true)
	r.share(blue[2], false)
	r.ends(c, hsmapi.CKR_OK)
}

// loginWith has the HSM connect to a thief's PED, and somebody log in: the PED
// refuses that, if the HSM has taken it for one.
func (r *rig) loginWith(in channel.AuthInput) error {
	r.t.Helper()
	wants(r.t, r.Slot.Disconnect(r.t.Context()), hsmapi.CKR_OK)
	a, b := hsmtest.Pipe()
	ctx, stop := context.WithTimeout(r.t.Context(), time.Minute)
	played := make(chan error, 1)
	go func() { played <- r.fakePED(ctx, b, in) }()
	err := r.Slot.Connect(ctx, a, hsm.ConnectOptions{})
	if err == nil {
		_, err = r.Slot.Login(ctx, protocol.RoleSO, nil)
	}
	stop()
	<-played
	wants(r.t, r.Slot.Disconnect(r.t.Context()), hsmapi.CKR_OK)
	return err
}

// TestOldHSMIdentity: what was stolen of an HSM before its last start, and be it
// its static key with the certificate, is refused by every PED and every PED key
// that has seen the HSM since.
//
// Rule out: in softped's memory.checkCounter (first case), op.checkCounter
// (second), return nil.
func TestOldHSMIdentity(t *testing.T) {
	r := newRig(t, nil)
	r.bootstrap()
	stolen := as(t, r.HSM, r.State().StartCounter)
	try := func(p posing) (u *channel.U, line *hsmtest.Conn, answered bool) {
		r.plug()
		r.mode(protocol.PEDModeRemote)
		line = r.plug()
		u, hello := p.u(t, channel.ModeRPV, "", careless{})
		send(t, line, hello)
		got, err := receive(t, line)
		if err != nil {
			t.Fatal(err)
		}
		return u, line, !channel.IsAlert(got)
	}
	if _, _, ok := try(stolen); !ok {
		t.Fatal("control: the identity is refused while it is the newest")
	}
	r.Restart()
	wants(t, r.connect(""), hsmapi.CKR_OK)
	c := start(func() error { return r.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "x"}, nil) })
	r.offer(orange)
	r.people.Wait("create.reuse").Press("<")
	r.ends(c, hsmapi.CKR_FUNCTION_CANCELED)
	if _, _, ok := try(stolen); ok {
		t.Error("the PED takes the identity of an earlier start")
	}
	// Another PED has never seen this HSM. The orange key has.
	r.people.Remove()
	twin := newTwin(t, r)
	u, line := twin.begin(stolen, channel.ModeRPV, "", careless{})
	follow := twin.watch()
	twin.people.Wait("key.insert").Insert(orange.Key).Press("E")
	if auth, err := twin.answer(u, line); auth || !errors.Is(err, channel.ErrAlert) {
		t.Errorf("PedAuth %v, %v", auth, err)
	}
	if s := follow.shown(); slices.Contains(s, "key.pin") {
		t.Errorf("a PIN was asked: %v", s)
	}
	twin.people.Wait("notice.failed")
	if !strings.Contains(twin.people.Lines(), "old") {
		t.Errorf("the holder is not told why:\n%s", twin.people.Lines())
	}
}

// newTwin is another PED for the same HSM and the same PED keys.
func newTwin(t testing.TB, r *rig) *rig {
	t.Helper()
	twin := &rig{HSM: r.HSM, t: t, born: time.Now(), state: &softped.MemState{}, keys: r.keys}
	ped, err := softped.New(softped.Config{Serial: "PED-0002", Keys: r.keys, State: twin.state, Cost: rpv.LightCost(),
		Roots: []*x509.Certificate{r.Origin.Cert}})
	if err != nil {
		t.Fatal(err)
	}
	twin.ped, twin.people = ped, softpedtest.Drive(t, ped)
	return twin
}
