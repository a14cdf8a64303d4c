package channel_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"

	"openped/internal/wire"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/channel/channeltest"
)

// Each test here plays the attacker that one rule of the channel is there for,
// and says which lines to take out to see it succeed.

func dh(t *testing.T, k *ecdh.PrivateKey, p *ecdh.PublicKey) []byte {
	t.Helper()
	z, err := k.ECDH(p)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func newKey(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// upTo runs a handshake in mode rpv until the PED has taken Begin.
func (s *setup) upTo(t *testing.T) (*channel.U, *channel.V) {
	t.Helper()
	u, hello, err := channel.NewU(s.hsm.UConfig(channel.ModeRPV))
	if err != nil {
		t.Fatal(err)
	}
	return s.upToFrom(t, u, hello)
}

// upToFrom is upTo with a U of the caller's.
func (s *setup) upToFrom(t *testing.T, u *channel.U, hello []byte) (*channel.U, *channel.V) {
	t.Helper()
	v, reply, err := channel.NewV(s.pki.VConfig(channel.ModeRPV), hello)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := u.Reply(reply)
	if err != nil {
		t.Fatal(err)
	}
	if ev, err := v.Receive(proof); ev != channel.EvProven || err != nil {
		t.Fatal(ev, err)
	}
	begin, err := u.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if ev, err := v.Receive(begin); ev != channel.EvBegin || err != nil {
		t.Fatal(ev, err)
	}
	return u, v
}

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

// TestThiefDowngrade: what a Hello or Reply offers cannot be taken away on the
// way: a higher version, an extension, the mode, the names.
//
// Rule out: in newTranscript, do not write hello (or reply).
func TestThiefDowngrade(t *testing.T) {
	s := newSetup()
	ext := []channel.Extension{{Type: 7, Value: []byte("for later")}}
	for name, edit := range map[string]func(*channel.HelloEdit){
		"control":             func(*channel.HelloEdit) {},
		"extension stripped":  func(e *channel.HelloEdit) { *e.Exts = nil },
		"extension changed":   func(e *channel.HelloEdit) { (*e.Exts)[0].Value = []byte("for never") },
		"higher version":      func(e *channel.HelloEdit) { *e.Max = 2 },
		"label":               func(e *channel.HelloEdit) { *e.Label = "other hsm" },
		"firmware":            func(e *channel.HelloEdit) { *e.Firmware = "7.0.0" },
		"chain without root":  func(e *channel.HelloEdit) { *e.Chain = (*e.Chain)[:2] },
		"encapsulation key":   func(e *channel.HelloEdit) { *e.EncapKey = otherEncapKey(t, s) },
		"ephemeral key":       func(e *channel.HelloEdit) { *e.Point = newKey(t).PublicKey().Bytes() },
		"nonce":               func(e *channel.HelloEdit) { e.Nonce[0] ^= 1 },
		"mode, both sides ok": func(e *channel.HelloEdit) { *e.Mode = channel.ModeLocal },
	} {
		u, hello, err := channel.NewUExt(s.hsm.UConfig(channel.ModeRPV), ext)
		if err != nil {
			t.Fatal(err)
		}
		vc := s.pki.VConfig(channel.ModeRPV)
		vc.Modes = func(channel.Mode) bool { return true }
		v, reply, err := channel.NewV(vc, channel.EditHello(hello, edit))
		if err != nil {
			t.Fatalf("%s: NewV: %v", name, err)
		}
		proof, err := u.Reply(reply)
		if err != nil {
			t.Fatalf("%s: Reply: %v", name, err)
		}
		_, err = v.Receive(proof)
		if name == "control" {
			if err != nil {
				t.Errorf("control: %v", err)
			}
		} else if !errors.Is(err, channel.ErrConfirmation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, edit := range map[string]func(*channel.ReplyEdit){
		"extension added": func(e *channel.ReplyEdit) { *e.Exts = ext },
		"nonce":           func(e *channel.ReplyEdit) { e.Nonce[0] ^= 1 },
		"ephemeral key":   func(e *channel.ReplyEdit) { *e.Point = newKey(t).PublicKey().Bytes() },
		"ciphertext":      func(e *channel.ReplyEdit) { (*e.Kem)[0] ^= 1 },
	} {
		u, hello, _ := channel.NewU(s.hsm.UConfig(channel.ModeRPV))
		v, reply, err := channel.NewV(s.pki.VConfig(channel.ModeRPV), hello)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := u.Reply(channel.EditReply(reply, edit))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := v.Receive(proof); !errors.Is(err, channel.ErrConfirmation) {
			t.Errorf("Reply, %s: %v", name, err)
		}
	}
}

func otherEncapKey(t *testing.T, s *setup) (key []byte) {
	_, hello, err := channel.NewU(s.hsm.UConfig(channel.ModeRPV))
	if err != nil {
		t.Fatal(err)
	}
	channel.EditHello(hello, func(e *channel.HelloEdit) { key = *e.EncapKey })
	return key
}

// TestThiefCritical: what must be understood and is not ends the handshake.
//
// Rule out: in parseExtensions, drop e.Critical from the condition.
func TestThiefCritical(t *testing.T) {
	s := newSetup()
	_, hello, err := channel.NewUExt(s.hsm.UConfig(channel.ModeRPV), []channel.Extension{{Type: 7, Critical: true}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := channel.NewV(s.pki.VConfig(channel.ModeRPV), hello); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("Hello with an unknown critical extension: %v", err)
	}
	u, hello, _ := channel.NewU(s.hsm.UConfig(channel.ModeRPV))
	_, reply, err := channel.NewV(s.pki.VConfig(channel.ModeRPV), hello)
	if err != nil {
		t.Fatal(err)
	}
	bad := channel.EditReply(reply, func(e *channel.ReplyEdit) { *e.Exts = []channel.Extension{{Type: 7, Critical: true}} })
	if _, err := u.Reply(bad); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("Reply with an unknown critical extension: %v", err)
	}
	// Other versions are refused, not guessed at.
	for _, v := range [][2]uint8{{2, 2}, {2, 9}} {
		h := channel.EditHello(hello, func(e *channel.HelloEdit) { *e.Min, *e.Max = v[0], v[1] })
		if _, _, err := channel.NewV(s.pki.VConfig(channel.ModeRPV), h); !errors.Is(err, channel.ErrVersion) {
			t.Errorf("Hello of versions %v: %v", v, err)
		}
	}
	u, hello, _ = channel.NewU(s.hsm.UConfig(channel.ModeRPV))
	_, reply, _ = channel.NewV(s.pki.VConfig(channel.ModeRPV), hello)
	if _, err := u.Reply(channel.EditReply(reply, func(e *channel.ReplyEdit) { *e.Version = 2 })); !errors.Is(err, channel.ErrVersion) {
		t.Errorf("Reply of version 2: %v", err)
	}
}

// TestThiefMisbinding: the PED's names, its RPK certificate and both CPace
// shares are what the tags are over. (Whoever changes them here has K0, which
// only the two sides have; so nothing but TH1 stands between.)
//
// Rule out: in U.takeAuth and V.authenticate, drop script.add(TypePedAuth, …).
func TestThiefMisbinding(t *testing.T) {
	s := newSetup()
	twin := s.hsm.UnlistedRPK(s.rpk.Private)
	twin.Cert = append(bytes.Clone(twin.Cert), 0)
	for name, edit := range map[string]func(*channel.PedAuthEdit){
		"control":                             func(*channel.PedAuthEdit) {},
		"firmware":                            func(e *channel.PedAuthEdit) { *e.Firmware = "2.9.1" },
		"serial":                              func(e *channel.PedAuthEdit) { *e.Serial = "PED-0002" },
		"another certificate of the same RPK": func(e *channel.PedAuthEdit) { *e.RPKCert = twin.Cert },
	} {
		u, v := s.upTo(t)
		u.SetVerifier(anyRPK{s.rpk.Private.PublicKey()})
		auth, err := v.Auth(s.hsm.AuthInput(s.rpk))
		if err != nil {
			t.Fatal(err)
		}
		_, payload, err := u.PeekK0(1, auth)
		if err != nil {
			t.Fatal(err)
		}
		v.Rewind()
		if _, err := u.Receive(v.SealK0(channel.TypePedAuth, channel.EditPedAuth(payload, channel.ModeRPV, edit))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, _, err = u.Finish(s.hsm.RPV)
		if name == "control" {
			if err != nil {
				t.Errorf("control: %v", err)
			}
		} else if !errors.Is(err, channel.ErrConfirmation) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// anyRPK takes every certificate for one key: the list is not what is tested.
type anyRPK struct{ key *ecdh.PublicKey }

func (a anyRPK) VerifyHSM([][]byte, bool) (channel.Identity, *ecdh.PublicKey, error) {
	return channel.Identity{}, nil, channeltest.ErrCert
}
func (a anyRPK) VerifyRPK([]byte) (*ecdh.PublicKey, error) { return a.key, nil }

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

func feed(t *testing.T, p party, msg []byte) [][]byte {
	t.Helper()
	out, err := p.feed(msg)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestThiefStrangerPrompts: nobody but a certified HSM, with its static key,
// brings a PED to the point where a person may be asked; and it has to say so.
//
// Rule out: in V.Receive, go on after checkProof's error.
func TestThiefStrangerPrompts(t *testing.T) {
	s := newSetup()
	stranger := newSetup()
	recorded := s.record(t, channel.ModeRPV)
	vc := s.pki.VConfig(channel.ModeRPV)
	// Certificates are public: a recorded Hello gets a Reply, and no more.
	for name, msg := range map[string][]byte{
		"recorded HsmProof":   recorded[2].msg,
		"recorded Begin":      recorded[3].msg,
		"zero proof":          channel.Reframe(channel.TypeHsmProof, make([]byte, 1+channel.TagSize)),
		"proof of a stranger": stranger.record(t, channel.ModeRPV)[2].msg,
	} {
		v, _, err := channel.NewV(vc, recorded[0].msg)
		if err != nil {
			t.Fatal(err)
		}
		if ev, err := v.Receive(msg); ev != 0 || !errors.Is(err, channel.ErrRefused) {
			t.Errorf("%s: event %d, %v", name, ev, err)
		}
		// Whatever the PED's program does next, nothing comes out.
		if rec, err := v.Auth(s.hsm.AuthInput(s.rpk)); rec != nil || err == nil {
			t.Errorf("%s: PedAuth came out", name)
		}
	}
	// After the proof and before Begin, there is nobody to be asked either.
	v := recorded[3].to.(*pedDriver).v.Clone()
	if rec, err := v.Auth(s.hsm.AuthInput(s.rpk)); rec != nil || !errors.Is(err, channel.ErrSequence) {
		t.Errorf("PedAuth before Begin: %v", err)
	}
}

// TestThiefUnknownRoot: an HSM of an unknown root is served in otp only, only if
// the PED's operator chose so, whatever the verifier says; and it leaves no
// trace in the PED before it has shown that it knows the password.
//
// Rule out: in V.identify, drop the mode from unknownOK or !v.peer.Known from the
// check; call checkCounter for every peer there.
func TestThiefUnknownRoot(t *testing.T) {
	s, home := newSetup(), newSetup()
	noted := 0
	run := func(mode channel.Mode, allow bool, pw []byte) error {
		_, err := s.run(mode, func(uc *channel.UConfig, vc *channel.VConfig, in *channel.AuthInput, _ *[]byte) {
			vc.Verifier = careless{home.pki.Verifier()}
			vc.AllowUnknownRoot = allow
			vc.CheckCounter = func(channel.Identity) error { noted++; return nil }
			if mode == channel.ModeOTP {
				in.Password = pw
			}
		})
		return err
	}
	for _, c := range []struct {
		mode  channel.Mode
		allow bool
	}{{channel.ModeRPV, true}, {channel.ModeRPV, false}, {channel.ModeLocal, true}, {channel.ModeOTP, false}} {
		if err := run(c.mode, c.allow, password); !errors.Is(err, channel.ErrPeerIdentity) {
			t.Errorf("%v, allowed %v: %v", c.mode, c.allow, err)
		}
	}
	if err := run(channel.ModeOTP, true, []byte("99999999")); !errors.Is(err, channel.ErrConfirmation) {
		t.Errorf("wrong password: %v", err)
	}
	if noted != 0 {
		t.Error("a stranger left a trace")
	}
	if err := run(channel.ModeOTP, true, password); err != nil || noted != 1 {
		t.Errorf("right password: %v, noted %d times", err, noted)
	}
}

// careless takes unknown roots whether or not it is asked to.
type careless struct{ channel.PeerVerifier }

func (c careless) VerifyHSM(chain [][]byte, _ bool) (channel.Identity, *ecdh.PublicKey, error) {
	return c.PeerVerifier.VerifyHSM(chain, true)
}

// TestThiefLabels: a wrapped secret opens under its own label only, in its own
// direction and session.
//
// Rule out: in UnwrapSecret, drop the comparison (all cases), or the field from
// Label.encode (its case).
func TestThiefLabels(t *testing.T) {
	s := newSetup()
	base := channel.Label{Ceremony: protocol.CeremonyID{1}, Op: protocol.OpCreate, Role: protocol.RoleSO, Serial: "1500123", Set: protocol.SetID{2}, Index: 3}
	secret := bytes.Repeat([]byte{9}, 64)
	for name, edit := range map[string]func(*channel.Label){
		"control":        func(*channel.Label) {},
		"ceremony":       func(l *channel.Label) { l.Ceremony[15]++ },
		"operation":      func(l *channel.Label) { l.Op = protocol.OpProvision },
		"role":           func(l *channel.Label) { l.Role = protocol.RoleDomain },
		"serial":         func(l *channel.Label) { l.Serial = "1500124" },
		"shorter serial": func(l *channel.Label) { l.Serial = "150012" },
		"set":            func(l *channel.Label) { l.Set[0]++ },
		"index":          func(l *channel.Label) { l.Index++ },
	} {
		r, err := s.run(channel.ModeLocal, nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := r.HSM.WrapSecret(base, secret)
		if err != nil {
			t.Fatal(err)
		}
		other := base
		edit(&other)
		b, err := r.PED.UnwrapSecret(other, w)
		if name == "control" {
			if err != nil || !bytes.Equal(b.Bytes(), secret) {
				t.Fatalf("control: %v", err)
			}
			b.Destroy()
			continue
		}
		if b != nil || !errors.Is(err, channel.ErrLabel) || !r.PED.Wiped() {
			t.Errorf("%s: %v", name, err)
		}
	}
	fresh := func() channeltest.Result {
		t.Helper()
		r, err := s.run(channel.ModeLocal, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	a, b := fresh(), fresh()
	w, err := a.HSM.WrapSecret(base, secret)
	if err != nil {
		t.Fatal(err)
	}
	// Back to where it comes from; and in another session.
	if _, err := a.HSM.UnwrapSecret(base, w); !errors.Is(err, channel.ErrLabel) {
		t.Errorf("reflected: %v", err)
	}
	if _, err := b.PED.UnwrapSecret(base, w); !errors.Is(err, channel.ErrLabel) {
		t.Errorf("other session: %v", err)
	}
	// The direction is in the label too, not in the keys alone. Rule out: drop
	// U8(uint8(d)) in Label.encode.
	c := fresh()
	c.HSM.OneWrapKey()
	if w, err = c.HSM.WrapSecret(base, secret); err != nil {
		t.Fatal(err)
	}
	if _, err := c.HSM.UnwrapSecret(base, w); !errors.Is(err, channel.ErrLabel) {
		t.Errorf("reflected, were there one key for both directions: %v", err)
	}
	// No byte of it can be changed.
	d := fresh()
	if w, err = d.HSM.WrapSecret(base, secret); err != nil {
		t.Fatal(err)
	}
	for i := range w {
		bad := bytes.Clone(w)
		bad[i] ^= 1
		if _, err := d.PED.Clone().UnwrapSecret(base, bad); !errors.Is(err, channel.ErrLabel) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if _, err := d.PED.Clone().UnwrapSecret(base, w[:i]); !errors.Is(err, channel.ErrLabel) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
}

// TestThiefListens: what can be seen of a dialogue is its length in time. No
// payload up to 252 bytes has another size than any other, and activity records
// all look the same, from the first to the last.
//
// Rule out: in padded, return 4 + n.
func TestThiefListens(t *testing.T) {
	r, err := newSetup().run(channel.ModeRPV, nil)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for n := range 253 { // a share, a PIN of any length, a choice, an empty answer
		rec, err := r.PED.Seal(make([]byte, n))
		if err != nil {
			t.Fatal(err)
		}
		if size == 0 {
			size = len(rec)
		}
		if len(rec) != size {
			t.Fatalf("payload of %d bytes gives a record of %d, others %d", n, len(rec), size)
		}
	}
	for range 40 {
		rec, err := r.PED.Activity()
		if err != nil {
			t.Fatal(err)
		}
		if len(rec) != size {
			t.Errorf("activity record of %d bytes, others %d", len(rec), size)
		}
	}
	// PedAuth does not tell how long the PED's names are.
	sizes := map[int]bool{}
	for _, serial := range []string{"1", "12345678901234567890123456789012"} {
		s := newSetup()
		_, v := s.upTo(t)
		in := s.hsm.AuthInput(s.rpk)
		in.RPKCert = make([]byte, 300)
		in.Serial = serial
		rec, err := v.Auth(in)
		if err != nil {
			t.Fatal(err)
		}
		sizes[len(rec)] = true
	}
	if len(sizes) != 1 {
		t.Errorf("PedAuth has sizes %v", sizes)
	}
}
