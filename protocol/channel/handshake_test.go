package channel_test

import (
	"bytes"
	"testing"

	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/channel/channeltest"
)

var password = []byte("01234567")

// setup is one HSM, its PED and an orange key.
type setup struct {
	pki *channeltest.PKI
	hsm *channeltest.HSM
	rpk channeltest.RPK
}

func newSetup() *setup {
	p := channeltest.NewPKI()
	h := p.NewHSM("1500123")
	return &setup{p, h, h.NewRPK()}
}

// run is a handshake in a mode with everything right, but for what edit changes.
func (s *setup) run(mode channel.Mode, edit func(*channel.UConfig, *channel.VConfig, *channel.AuthInput, *[]byte)) (channeltest.Result, error) {
	uc, vc := s.hsm.UConfig(mode), s.pki.VConfig(mode)
	in := channel.AuthInput{Serial: channeltest.PEDSerial, Firmware: channeltest.PEDFirmware}
	var rpv []byte
	switch mode {
	case channel.ModeRPV:
		in, rpv = s.hsm.AuthInput(s.rpk), s.hsm.RPV
	case channel.ModeOTP:
		uc.Password, in.Password = password, password
	}
	if edit != nil {
		edit(&uc, &vc, &in, &rpv)
	}
	return channeltest.Handshake(uc, vc, in, rpv)
}

var modes = []channel.Mode{channel.ModeRPV, channel.ModeOTP, channel.ModeLocal}

func TestHandshake(t *testing.T) {
	s := newSetup()
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r, err := s.run(mode, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.PedAuth.Serial != channeltest.PEDSerial || r.PedAuth.Firmware != channeltest.PEDFirmware {
				t.Errorf("PedAuth says %+v", r.PedAuth)
			}
			if got := r.V.Peer(); got.Serial != "1500123" || got.IssuingFP != s.hsm.IssuingFP() || got.StartCounter != s.hsm.Counter || !got.Known {
				t.Errorf("peer is %+v", got)
			}
			if r.U.State() != channel.StateComplete || r.V.State() != channel.StateComplete {
				t.Errorf("states %v and %v", r.U.State(), r.V.State())
			}
			exchange(t, r.HSM, r.PED)
			exchange(t, r.PED, r.HSM)
		})
	}
}

// exchange sends a few payloads and a wrapped secret.
func exchange(t *testing.T, from, to *channel.Session) {
	t.Helper()
	for _, n := range []int{0, 1, 251, 252, 253, 4096, channel.MaxPayload} {
		want := bytes.Repeat([]byte{byte(n)}, n)
		rec, err := from.Seal(want)
		if err != nil {
			t.Fatal(err)
		}
		if len(rec) != channel.RecordSize(n) {
			t.Errorf("record of %d bytes has %d, RecordSize says %d", n, len(rec), channel.RecordSize(n))
		}
		kind, got, err := to.Open(rec)
		if err != nil || kind != channel.KindData || !bytes.Equal(got, want) {
			t.Fatalf("payload of %d bytes: %v, %v", n, kind, err)
		}
	}
	w, err := from.WrapSecret(testLabel, []byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := to.UnwrapSecret(testLabel, w)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Destroy()
	if string(b.Bytes()) != "a secret" {
		t.Error("secret differs")
	}
}

var testLabel = channel.Label{Op: 1, Role: 1, Serial: "1500123", Index: 1}

// TestLiveSet: the HSM names the set of its RPV, in mode rpv only.
func TestLiveSet(t *testing.T) {
	s := newSetup()
	id := protocol.SetID{1, 2, 3}
	r, err := s.run(channel.ModeRPV, func(u *channel.UConfig, _ *channel.VConfig, _ *channel.AuthInput, _ *[]byte) { u.LiveSet = id })
	if err != nil || r.V.Hello().LiveSet != id {
		t.Fatalf("live set: %v", err)
	}
	if r, err = s.run(channel.ModeRPV, nil); err != nil || !r.V.Hello().LiveSet.IsZero() {
		t.Errorf("no live set: %v", err)
	}
	for name, c := range map[string]struct {
		mode channel.Mode
		ext  channel.Extension
		ok   bool
	}{
		"as it is":    {channel.ModeRPV, channel.Extension{Type: 1, Value: id[:]}, true},
		"critical":    {channel.ModeRPV, channel.Extension{Type: 1, Value: id[:], Critical: true}, true},
		"short":       {channel.ModeRPV, channel.Extension{Type: 1, Value: id[:15]}, false},
		"in local":    {channel.ModeLocal, channel.Extension{Type: 1, Value: id[:]}, false},
		"other types": {channel.ModeLocal, channel.Extension{Type: 2, Value: id[:15]}, true},
	} {
		_, hello, err := channel.NewUExt(s.hsm.UConfig(c.mode), []channel.Extension{c.ext})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := channel.NewV(s.pki.VConfig(c.mode), hello); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
