package channel_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"

	"openped/internal/wire"
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
// Rule out: in parseExtensions, drop the condition that begins with e.Critical.
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
