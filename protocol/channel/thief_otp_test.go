package channel_test

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"testing"

	"openped/protocol/channel"
)

// dictionary is what an attacker tries at home; the right password is in it.
func dictionary() [][]byte {
	list := [][]byte{password}
	for i := range 200 {
		list = append(list, fmt.Appendf(nil, "%08d", i*499979))
	}
	return list
}

// otp is the HSM's side with a password.
func (s *setup) otp(password []byte) channel.UConfig {
	c := s.hsm.UConfig(channel.ModeOTP)
	c.Password = password
	return c
}

// typed is what a PED answers after somebody has typed a password.
func (s *setup) typed(password []byte) channel.AuthInput {
	in := s.hsm.AuthInput(s.rpk)
	in.RPK, in.RPKCert, in.RPV, in.Password = nil, nil, nil, password
	return in
}

// TestThiefGuessesOffline: a fake HSM that has made a PED answer with the right
// password has, whatever it guessed itself, nothing at hand to try passwords on:
// neither the right one nor any other verifies what it has recorded. It had its
// one guess when it sent its CPace share.
//
// Rule out: in cpace, keep the password in State and have Finish return its
// SHA-512. (Passwords in a hash or a MAC are found in seconds.)
func TestThiefGuessesOffline(t *testing.T) {
	s := newSetup()
	run := func(guess []byte) (*channel.U, []byte) {
		u, hello, err := channel.NewU(s.otp(guess))
		if err != nil {
			t.Fatal(err)
		}
		v, reply, err := channel.NewV(s.pki.VConfig(channel.ModeOTP), hello)
		if err != nil {
			t.Fatal(err)
		}
		th0 := sha512.Sum512(append(append([]byte(nil), hello...), reply...))
		proof, err := u.Reply(reply)
		if err != nil {
			t.Fatal(err)
		}
		begin, err := u.Begin()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range [][]byte{proof, begin} {
			if _, err := v.Receive(m); err != nil {
				t.Fatal(err)
			}
		}
		auth, err := v.Auth(s.typed(password))
		if err != nil {
			t.Fatal(err)
		}
		if ev, err := u.Receive(auth); ev != channel.UAuth || err != nil {
			t.Fatal(ev, err)
		}
		return u, th0[:]
	}
	u, _ := run(password)
	if _, _, err := u.Finish(nil); err != nil {
		t.Fatalf("control: who guessed right gets %v", err)
	}
	u, th0 := run([]byte("00000000"))
	for _, candidate := range dictionary() {
		if err := u.TryPassword(th0, candidate); !errors.Is(err, channel.ErrConfirmation) {
			t.Errorf("candidate %s can be tested: %v", candidate, err)
		}
	}
}

// TestThiefReadsProofWithoutPassword: a fake PED verifies all that an HSM says
// before PedAuth without the password, so nothing of it depends on the password
// in a way that could be tried out; and after a wrong PedAuth the HSM says no more
// than the alert.
//
// Rule out: in prove, put u.cfg.Password into the data of tag0.
func TestThiefReadsProofWithoutPassword(t *testing.T) {
	s := newSetup()
	u, hello, err := channel.NewU(s.otp(password))
	if err != nil {
		t.Fatal(err)
	}
	v, reply, err := channel.NewV(s.pki.VConfig(channel.ModeOTP), hello)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := u.Reply(reply)
	if err != nil {
		t.Fatal(err)
	}
	if ev, err := v.Receive(proof); ev != channel.EvProven || err != nil {
		t.Fatalf("tag0 needs the password: %v", err)
	}
	begin, err := u.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Receive(begin); err != nil {
		t.Fatal(err)
	}
	auth, err := v.Auth(s.typed([]byte("00000000")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Receive(auth); err != nil {
		t.Fatal(err)
	}
	if sess, confirm, err := u.Finish(nil); sess != nil || confirm != nil || !errors.Is(err, channel.ErrConfirmation) {
		t.Errorf("a wrong guess gets %d bytes, %v", len(confirm), err)
	}
}

// TestThiefSendsIdentity: a fake HSM whose CPace share is the identity, so that
// everybody knows the product, gets no PedAuth.
//
// Rule out: in cpace's decode and agree, drop IsIdentity.
func TestThiefSendsIdentity(t *testing.T) {
	s := newSetup()
	for name, share := range map[string][]byte{"identity": make([]byte, 32), "not an element": {31: 0x80}} {
		u, hello, err := channel.NewU(s.otp(password))
		if err != nil {
			t.Fatal(err)
		}
		v, reply, err := channel.NewV(s.pki.VConfig(channel.ModeOTP), hello)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Receive(u.ForgeShare(reply, share)); err != nil {
			t.Fatal(err)
		}
		begin, err := u.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Receive(begin); err != nil {
			t.Fatal(err)
		}
		if rec, err := v.Auth(s.typed(password)); rec != nil || !errors.Is(err, channel.ErrConfirmation) {
			t.Errorf("%s: PedAuth of %d bytes, %v", name, len(rec), err)
		}
	}
}
