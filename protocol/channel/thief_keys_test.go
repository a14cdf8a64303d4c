package channel_test

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"testing"

	"openped/protocol/channel"
	"openped/protocol/channel/channeltest"
)

// TestThiefOfHSMKeyAsPED: who has stolen the HSM's static key, and even the RPV,
// cannot pose as a PED to that HSM: the one value out of reach is
// X_V = ECDH(ephemeral U, RPK).
//
// Rule out: in deriveDKM, ModeRPV, leave extra[1] out of z.
func TestThiefOfHSMKeyAsPED(t *testing.T) {
	s := newSetup()
	rpk := s.rpk.Private.PublicKey()
	for name, c := range map[string]struct {
		xv    func(v *channel.V) []byte
		taken bool
	}{
		"control: with the RPK":         {func(*channel.V) []byte { return nil }, true},
		"zeros":                         {func(*channel.V) []byte { return make([]byte, 66) }, false},
		"its own ephemeral and the RPK": {func(v *channel.V) []byte { return dh(t, v.Ephemeral(), rpk) }, false},
		"the static key and the RPK":    {func(*channel.V) []byte { return dh(t, s.hsm.Static, rpk) }, false},
	} {
		u, v := s.upTo(t)
		xv := c.xv(v)
		if c.taken {
			xv = dh(t, s.rpk.Private, u.Ephemeral().PublicKey())
		}
		zs := dh(t, s.hsm.Static, rpk) // the stolen key gives Zs
		auth := v.ForgeAuth("PED-EVIL", "2.9.0", s.rpk.Cert, rpk, s.hsm.RPV, zs, xv)
		if _, err := u.Receive(auth); err != nil {
			t.Fatalf("%s: PedAuth: %v", name, err)
		}
		sess, _, err := u.Finish(s.hsm.RPV)
		if c.taken != (err == nil) || c.taken != (sess != nil) {
			t.Errorf("%s: Finish gives %v", name, err)
		}
	}
}

// TestThiefOfOrangeKeyAsHSM: who has stolen an orange key with its RPV cannot
// pose as the HSM to a PED that uses that key: X_U = ECDH(static U, ephemeral V)
// is out of reach, in K0 and in DKM.
//
// Rule out: in deriveK0, hash s.buf.Bytes()[fieldSize:] only; in deriveDKM,
// ModeRPV, leave s.xu() out.
func TestThiefOfOrangeKeyAsHSM(t *testing.T) {
	s := newSetup()
	guesses := map[string]func(v *channel.V) []byte{
		"zeros":                           func(*channel.V) []byte { return make([]byte, 66) },
		"the RPK and the PED's ephemeral": func(v *channel.V) []byte { return dh(t, s.rpk.Private, v.Ephemeral().PublicKey()) },
		"the RPK and the static key":      func(*channel.V) []byte { return dh(t, s.rpk.Private, s.hsm.Static.PublicKey()) },
	}
	right := func(v *channel.V) []byte { return dh(t, s.hsm.Static, v.Ephemeral().PublicKey()) }
	proof := func(xu func(v *channel.V) []byte) error {
		uc := s.hsm.UConfig(channel.ModeRPV)
		uc.Static = newKey(t) // the thief's own, under the HSM's chain
		u, hello, err := channel.NewU(uc)
		if err != nil {
			t.Fatal(err)
		}
		u.Impersonate(s.hsm.Static.PublicKey())
		v, reply, err := channel.NewV(s.pki.VConfig(channel.ModeRPV), hello)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Receive(u.ForgeProof(reply, xu(v)))
		return err
	}
	if err := proof(right); err != nil {
		t.Fatalf("control: %v", err)
	}
	for name, xu := range guesses {
		if err := proof(xu); !errors.Is(err, channel.ErrConfirmation) {
			t.Errorf("HsmProof with %s for X_U gives %v", name, err)
		}
	}
	// Suppose K0 were known all the same: DKM would still not be.
	confirm := func(xu func(v *channel.V) []byte) error {
		u, v := s.upTo(t)
		guess := xu(v)
		auth, err := v.Auth(s.hsm.AuthInput(s.rpk))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Receive(auth); err != nil {
			t.Fatal(err)
		}
		u.ReplaceXU(guess)
		zs := dh(t, s.rpk.Private, s.hsm.Static.PublicKey())
		xv := dh(t, u.Ephemeral(), s.rpk.Private.PublicKey())
		_, err = v.Receive(u.ForgeConfirm(s.hsm.RPV, zs, xv))
		if (err == nil) != (v.Session() != nil) {
			t.Error("session and verdict differ")
		}
		return err
	}
	if err := confirm(right); err != nil {
		t.Fatalf("control: %v", err)
	}
	for name, xu := range guesses {
		if err := confirm(xu); !errors.Is(err, channel.ErrConfirmation) {
			t.Errorf("Confirm with %s for X_U gives %v", name, err)
		}
	}
}

// TestThiefEchoesTag: the PED's tag is no tag of the HSM's.
//
// Rule out: in tagData, return the same bytes for both directions.
func TestThiefEchoesTag(t *testing.T) {
	s := newSetup()
	u, v := s.upTo(t)
	auth, err := v.Auth(s.hsm.AuthInput(s.rpk))
	if err != nil {
		t.Fatal(err)
	}
	_, payload, err := u.PeekK0(1, auth)
	if err != nil {
		t.Fatal(err)
	}
	echo := u.SealK0(channel.TypeConfirm, payload[len(payload)-channel.TagSize:])
	if _, err := v.Receive(echo); !errors.Is(err, channel.ErrConfirmation) || v.Session() != nil {
		t.Errorf("echoed tag gives %v", err)
	}
}

// TestThiefReflects: own public keys that come back are refused, whichever they
// are, and so is their negation, which gives the same ECDH value.
//
// Rule out: the samePoint checks in U.Reply, U.takeAuth, V.identify and V.authenticate.
func TestThiefReflects(t *testing.T) {
	s := newSetup()
	for name, point := range map[string]func(u *channel.U) []byte{
		"ephemeral":         func(u *channel.U) []byte { return u.Ephemeral().PublicKey().Bytes() },
		"static":            func(*channel.U) []byte { return s.hsm.Static.PublicKey().Bytes() },
		"ephemeral negated": func(u *channel.U) []byte { return negate(u.Ephemeral().PublicKey().Bytes()) },
		"static negated":    func(*channel.U) []byte { return negate(s.hsm.Static.PublicKey().Bytes()) },
	} {
		u, hello, _ := channel.NewU(s.hsm.UConfig(channel.ModeRPV))
		_, reply, err := channel.NewV(s.pki.VConfig(channel.ModeRPV), hello)
		if err != nil {
			t.Fatal(err)
		}
		back := channel.EditReply(reply, func(e *channel.ReplyEdit) { *e.Point = point(u) })
		if _, err := u.Reply(back); !errors.Is(err, channel.ErrOwnKey) {
			t.Errorf("HSM, its %s key in Reply: %v", name, err)
		}
		u, v := s.upTo(t)
		key, err := ecdh.P521().NewPublicKey(point(u))
		if err != nil {
			t.Fatal(err)
		}
		u.SetVerifier(anyRPK{key})
		auth, err := v.Auth(s.hsm.AuthInput(s.rpk))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Receive(auth); !errors.Is(err, channel.ErrOwnKey) {
			t.Errorf("HSM, its %s key as RPK: %v", name, err)
		}
	}
	// A malicious HSM gives the PED's orange key back as its static or ephemeral key.
	evil := s.pki.NewHSM("6660000")
	rpk := evil.NewRPK()
	for _, as := range []string{"static", "ephemeral"} {
		evil.Start()
		if as == "static" {
			evil.Certify(rpk.Private)
		}
		u, hello, err := channel.NewU(evil.UConfig(channel.ModeRPV))
		if err != nil {
			t.Fatal(err)
		}
		if as == "ephemeral" {
			hello = u.SetEphemeral(rpk.Private)
		}
		_, v := s.upToFrom(t, u, hello)
		if _, err := v.Auth(evil.AuthInput(rpk)); !errors.Is(err, channel.ErrOwnKey) {
			t.Errorf("PED, its RPK as the HSM's %s key: %v", as, err)
		}
	}
	// An HSM whose ephemeral key is its static one has no ephemeral key.
	_, hello, _ := channel.NewU(s.hsm.UConfig(channel.ModeRPV))
	hello = channel.EditHello(hello, func(e *channel.HelloEdit) { *e.Point = s.hsm.Static.PublicKey().Bytes() })
	if _, _, err := channel.NewV(s.pki.VConfig(channel.ModeRPV), hello); !errors.Is(err, channel.ErrPeerIdentity) {
		t.Errorf("static key as ephemeral: %v", err)
	}
}

// negate returns −Q: y becomes p − y.
func negate(point []byte) []byte {
	out := bytes.Clone(point)
	y := out[67:]
	borrow := 0
	for i := len(y) - 1; i >= 0; i-- {
		p := 0xff
		if i == 0 {
			p = 0x01
		}
		d := p - int(y[i]) - borrow
		borrow = 0
		if d < 0 {
			d, borrow = d+256, 1
		}
		y[i] = byte(d)
	}
	return out
}

// TestThiefCPaceEcho: the HSM's own CPace share is no share of a PED's, nor is
// the identity, whose product everybody knows.
//
// Rule out: the bytes.Equal check in U.takeAuth (the identity is package cpace's).
func TestThiefCPaceEcho(t *testing.T) {
	s := newSetup()
	for name, c := range map[string]struct {
		share func(own, right []byte) []byte
		cause error
	}{
		"control":       {func(_, right []byte) []byte { return right }, nil},
		"own share":     {func(own, _ []byte) []byte { return own }, channel.ErrOwnKey},
		"identity":      {func(_, _ []byte) []byte { return make([]byte, 32) }, channel.ErrConfirmation},
		"not canonical": {func(_, _ []byte) []byte { return bytes.Repeat([]byte{0xff}, 32) }, channel.ErrConfirmation},
	} {
		hsm, ped, hello, err := s.parties(channel.ModeOTP)
		if err != nil {
			t.Fatal(err)
		}
		reply := feed(t, ped, hello)
		out := feed(t, hsm, reply[0])
		feed(t, ped, out[0])
		auth := feed(t, ped, out[1])
		feed(t, hsm, auth[0])
		_, payload, err := hsm.u.PeekK0(1, auth[1])
		if err != nil {
			t.Fatal(err)
		}
		own := out[0][channel.HeaderSize+1:][:32]
		v := ped.v.Clone()
		v.Rewind()
		_, err = hsm.feed(v.SealK0(channel.TypePedAuth, channel.EditPedAuth(payload, channel.ModeOTP, func(e *channel.PedAuthEdit) {
			*e.Share = c.share(own, *e.Share)
		})))
		if !errors.Is(err, c.cause) || (err == nil) != (hsm.gave() == 1) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestThiefFakeHSM: at the first contact any chain is taken, so the password is
// all that tells the HSM from somebody in its place. Who does not know it has
// one guess, cannot make the PED confirm, and leaves no trace in it.
//
// Rule out: in deriveDKM, ModeOTP, leave extra[0] out.
func TestThiefFakeHSM(t *testing.T) {
	home, fake := newSetup(), newSetup()
	for name, c := range map[string]struct {
		guess string
		taken bool
	}{"control": {string(password), true}, "wrong guess": {"01234568", false}} {
		uc := fake.hsm.UConfig(channel.ModeOTP)
		uc.Password = []byte(c.guess)
		noted := 0
		vc := home.pki.VConfig(channel.ModeOTP)
		vc.AllowUnknownRoot = true
		vc.CheckCounter = func(channel.Identity) error { noted++; return nil }
		u, hello, err := channel.NewU(uc)
		if err != nil {
			t.Fatal(err)
		}
		ped := &pedDriver{cfg: vc, in: channel.AuthInput{Serial: channeltest.PEDSerial, Firmware: channeltest.PEDFirmware, Password: password}}
		proof, err := u.Reply(feed(t, ped, hello)[0])
		if err != nil {
			t.Fatal(err)
		}
		feed(t, ped, proof)
		begin, err := u.Begin()
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range feed(t, ped, begin) {
			if _, err := u.Receive(rec); err != nil {
				t.Fatal(err)
			}
		}
		// It does not look at MacTagV, which would tell it that it is found out.
		_, err = ped.feed(u.ForgeConfirm(nil, u.CPaceKey(nil)))
		if c.taken != (err == nil) || c.taken != (noted == 1) || c.taken != (ped.gave() == 1) {
			t.Errorf("%s: %v, noted %d times", name, err, noted)
		}
	}
}
