package channel_test

import (
	"bytes"
	"errors"
	"testing"

	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/channel/channeltest"
)

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
