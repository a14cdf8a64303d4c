package channel_test

import (
	"errors"
	"testing"

	"openped/protocol/channel"
)

func TestHandshakeCancel(t *testing.T) {
	s := newSetup()
	u, v := s.upTo(t)
	for range 3 {
		rec, err := v.Activity()
		if err != nil {
			t.Fatal(err)
		}
		if ev, err := u.Receive(rec); ev != channel.UActivity || err != nil {
			t.Fatal(ev, err)
		}
	}
	rec, err := v.Cancel(2)
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.Receive(rec)
	var c *channel.CancelledError
	if !errors.As(err, &c) || c.Reason != 2 || !errors.Is(err, channel.ErrPedCancelled) || errors.Is(err, channel.ErrRefused) {
		t.Errorf("cancellation gives %v", err)
	}
	if !u.Wiped() || !v.Wiped() {
		t.Error("keys left after a cancellation")
	}
	if _, err := v.Activity(); !errors.Is(err, channel.ErrDead) {
		t.Errorf("activity after a cancellation: %v", err)
	}
}

// TestHandshakeMisuse calls out of order; the object is dead then.
func TestHandshakeMisuse(t *testing.T) {
	s := newSetup()
	newU := func() *channel.U {
		u, _, err := channel.NewU(s.hsm.UConfig(channel.ModeRPV))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for name, call := range map[string]func(*channel.U) error{
		"Begin":   func(u *channel.U) error { _, err := u.Begin(); return err },
		"Receive": func(u *channel.U) error { _, err := u.Receive(nil); return err },
		"Finish":  func(u *channel.U) error { _, _, err := u.Finish(s.hsm.RPV); return err },
	} {
		u := newU()
		if err := call(u); !errors.Is(err, channel.ErrSequence) || u.State() != channel.StateDead {
			t.Errorf("%s before Reply: %v", name, err)
		}
	}
	for name, rpv := range map[string][]byte{"no RPV": nil, "RPV of 63 bytes": make([]byte, 63)} {
		u, v := s.upTo(t)
		auth, err := v.Auth(s.hsm.AuthInput(s.rpk))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Receive(auth); err != nil {
			t.Fatal(err)
		}
		if sess, _, err := u.Finish(rpv); sess != nil || !errors.Is(err, channel.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := u.Finish(s.hsm.RPV); !errors.Is(err, channel.ErrDead) {
			t.Errorf("%s, second Finish: %v", name, err)
		}
	}
	for name, edit := range map[string]func(*channel.UConfig){
		"no mode":             func(c *channel.UConfig) { c.Mode = 0 },
		"no serial":           func(c *channel.UConfig) { c.Serial = "" },
		"label with newline":  func(c *channel.UConfig) { c.Label = "a\nb" },
		"long label":          func(c *channel.UConfig) { c.Label = string(make([]byte, 33)) },
		"no chain":            func(c *channel.UConfig) { c.Chain = nil },
		"empty certificate":   func(c *channel.UConfig) { c.Chain = [][]byte{{1}, {}} },
		"big certificate":     func(c *channel.UConfig) { c.Chain = [][]byte{{1}, make([]byte, channel.MaxCert+1)} },
		"no static key":       func(c *channel.UConfig) { c.Static = nil },
		"no verifier":         func(c *channel.UConfig) { c.Verifier = nil },
		"password in rpv":     func(c *channel.UConfig) { c.Password = password },
		"no password in otp":  func(c *channel.UConfig) { c.Mode = channel.ModeOTP },
		"password in local":   func(c *channel.UConfig) { c.Mode, c.Password = channel.ModeLocal, password },
		"too many in a chain": func(c *channel.UConfig) { c.Chain = [][]byte{{1}, {1}, {1}, {1}} },
	} {
		c := s.hsm.UConfig(channel.ModeRPV)
		edit(&c)
		if _, _, err := channel.NewU(c); !errors.Is(err, channel.ErrConfig) {
			t.Errorf("NewU, %s: %v", name, err)
		}
	}
	for name, edit := range map[string]func(*channel.AuthInput){
		"no serial":           func(in *channel.AuthInput) { in.Serial = "" },
		"long firmware":       func(in *channel.AuthInput) { in.Firmware = "12345678901234567" },
		"no RPV":              func(in *channel.AuthInput) { in.RPV = nil },
		"short RPV":           func(in *channel.AuthInput) { in.RPV = in.RPV[:63] },
		"no RPK":              func(in *channel.AuthInput) { in.RPK = nil },
		"no certificate":      func(in *channel.AuthInput) { in.RPKCert = nil },
		"certificate too big": func(in *channel.AuthInput) { in.RPKCert = make([]byte, channel.MaxCert+1) },
		"password":            func(in *channel.AuthInput) { in.Password = password },
	} {
		_, v := s.upTo(t)
		in := s.hsm.AuthInput(s.rpk)
		edit(&in)
		if rec, err := v.Auth(in); rec != nil || !errors.Is(err, channel.ErrConfig) || !v.Wiped() {
			t.Errorf("Auth, %s: %v", name, err)
		}
	}
	_, hello, _ := channel.NewU(s.hsm.UConfig(channel.ModeRPV))
	for name, edit := range map[string]func(*channel.VConfig){
		"no modes":    func(c *channel.VConfig) { c.Modes = nil },
		"no verifier": func(c *channel.VConfig) { c.Verifier = nil },
		"no counters": func(c *channel.VConfig) { c.CheckCounter = nil },
	} {
		c := s.pki.VConfig(channel.ModeRPV)
		edit(&c)
		if _, _, err := channel.NewV(c, hello); !errors.Is(err, channel.ErrConfig) {
			t.Errorf("NewV, %s: %v", name, err)
		}
	}
}

// TestActivityIsNotHashed: a handshake does not depend on how long the dialogue was.
func TestActivityIsNotHashed(t *testing.T) {
	s := newSetup()
	u, v := s.upTo(t)
	auth := func() []byte {
		rec, err := v.Auth(s.hsm.AuthInput(s.rpk))
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	for range 41 { // 200 s
		rec, err := v.Activity()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Receive(rec); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := u.Receive(auth()); err != nil {
		t.Fatal(err)
	}
	_, confirm, err := u.Finish(s.hsm.RPV)
	if err != nil {
		t.Fatal(err)
	}
	if ev, err := v.Receive(confirm); ev != channel.EvConfirmed || err != nil {
		t.Fatal(ev, err)
	}
}
