package thief

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"

	"openped/certs"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

func newKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// posing says what a thief can show of an HSM: whose chain, with which static key.
type posing struct {
	chain  [][]byte
	static *ecdh.PrivateKey
	serial string
}

// as is somebody who has the issuing key of h, and so is h to any PED.
func as(t testing.TB, h *hsmtest.HSM, counter uint64) posing {
	t.Helper()
	key := newKey(t)
	issuing, root := h.Driver.Chain()
	cert, err := h.Driver.IssueStatic(key.PublicKey(), counter)
	if err != nil {
		t.Fatal(err)
	}
	return posing{[][]byte{cert, issuing, root}, key, h.Driver.Identity().Serial}
}

// stranger is an HSM with an origin root of its own.
func stranger(t testing.TB, serial string) posing {
	t.Helper()
	root, err := certs.NewOriginRoot("nobody knows it")
	if err != nil {
		t.Fatal(err)
	}
	issuing, err := root.NewIssuing(serial)
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	cert, err := issuing.IssueStatic(key.PublicKey(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return posing{issuing.Chain(cert), key, serial}
}

// u starts a handshake as that HSM.
func (p posing) u(t testing.TB, mode channel.Mode, password string, v channel.PeerVerifier) (*channel.U, []byte) {
	t.Helper()
	c := channel.UConfig{Mode: mode, Serial: p.serial, Label: "thief", Firmware: "7.7.0", Chain: p.chain, Static: p.static, Verifier: v}
	if mode == channel.ModeOTP {
		c.Password = []byte(password)
	}
	u, hello, err := channel.NewU(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Wipe)
	return u, hello
}

// careless takes any PED: a thief does not mind.
type careless struct{}

func (careless) VerifyHSM([][]byte, bool) (channel.Identity, *ecdh.PublicKey, error) {
	return channel.Identity{}, nil, errors.New("not asked")
}

func (careless) VerifyRPK(cert []byte) (*ecdh.PublicKey, error) {
	pub, _, err := certs.ParseRPK(cert)
	return pub, err
}

// TestStrangersPromptNobody: whoever is not a certified HSM with its static key
// gets at most a Reply, which anybody may have, then the alert; the LCD stays as
// it is. (Trouble F-28: the vendor's PED can be kept from its HSM by whoever
// reaches it first. Here a stranger is gone at its first wrong byte.)
//
// Rule out: in channel's V.Receive, go on after checkProof's error; or show
// something in softped's conn.hello.
func TestF28_StrangersPromptNobody(t *testing.T) {
	r := newRig(t, nil)
	r.bootstrap()
	// A whole good handshake, as anybody on the way has seen it.
	wants(t, r.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	seen := r.mark()
	wants(t, r.connect(""), hsmapi.CKR_OK)
	var recorded [][]byte
	for _, f := range r.passed(seen) {
		if f.toPED {
			recorded = append(recorded, f.record)
		}
	}
	if len(recorded) != 2 || !channel.IsHello(recorded[0]) {
		t.Fatalf("%d messages to the PED in a connect, want Hello and HsmProof", len(recorded))
	}
	other := hsmtest.NewHSM(t, "6660000", "")
	stolen := as(t, r.HSM, r.State().StartCounter)
	begin := bytes.Clone(recorded[1])
	begin[0] = byte(channel.TypeBegin)
	liar := as(t, other, 1)
	liar.serial = serial // certified, but for another serial
	noKey := stolen
	noKey.static = newKey(t) // the chain is public; the key is not
	hello := func(p posing, m channel.Mode) []byte { _, h := p.u(t, m, "13572468", careless{}); return h }
	random := make([]byte, 2000)
	rand.Read(random)

	follow := r.watch()
	for name, c := range map[string]struct {
		msgs  [][]byte
		reply bool // to be expected: it gives nothing away
	}{
		"garbage":                 {[][]byte{{0}, random, bytes.Repeat([]byte{0x7f}, channel.MaxRecord)}, false},
		"garbage that says Hello": {[][]byte{append([]byte{byte(channel.TypeHello), 1}, random...)}, false},
		"records without Hello":   {[][]byte{recorded[1], begin}, false},
		"Hello seen before":       {[][]byte{recorded[0]}, true},
		"handshake seen before":   {[][]byte{recorded[0], recorded[1], begin}, true},
		"no proof, then Begin":    {[][]byte{recorded[0], begin}, true},
		"chain without its key":   {[][]byte{hello(noKey, channel.ModeRPV), recorded[1]}, true},
		"unknown root":            {[][]byte{hello(stranger(t, serial), channel.ModeRPV)}, false},
		"another HSM's serial":    {[][]byte{hello(liar, channel.ModeRPV)}, false},
		"otp, PED not in Pair":    {[][]byte{hello(stolen, channel.ModeOTP)}, false},
		"local, over the network": {[][]byte{hello(stolen, channel.ModeLocal)}, false},
	} {
		before, proven := r.mark(), r.proven()
		line := r.plug()
		for _, m := range c.msgs {
			send(t, line, m)
		}
		r.plug() // the PED has dealt with all of it
		replies := 0
		for _, f := range r.passed(before) {
			switch {
			case f.toPED:
			case channel.Type(f.record[0]) == channel.TypeReply && c.reply && replies == 0:
				replies++
			case channel.IsAlert(f.record):
			default:
				t.Errorf("%s: the PED sent a message of type %#x", name, f.record[0])
			}
		}
		if c.reply != (replies == 1) {
			t.Errorf("%s: %d replies", name, replies)
		}
		for _, id := range follow.shown() {
			if id != "idle" {
				t.Errorf("%s: the PED showed %s", name, id)
			}
		}
		if r.proven() != proven {
			t.Errorf("%s: the PED takes it for an HSM that has proved itself", name)
		}
	}
	// And the HSM that the PED knows is served as if nothing had been.
	wants(t, r.connect(""), hsmapi.CKR_OK)
	if r.proven() == 0 {
		t.Error("control: no HSM has ever proved itself")
	}
	r.initialize()
	r.login(hsmapi.CKR_OK, blue[0], blue[1])
}

// TestSwitchOnThePED: which of the three modes is served is decided at the PED,
// whatever the HSM at the other end asks for, and be it a genuine one.
//
// Rule out: in softped's PED.serves, return true.
func TestSwitchOnThePED(t *testing.T) {
	r := newRig(t, nil)
	serves := map[protocol.PEDMode]channel.Mode{
		protocol.PEDModeRemote: channel.ModeRPV, protocol.PEDModePair: channel.ModeOTP, protocol.PEDModeLocal: channel.ModeLocal,
	}
	genuine, unknown := as(t, r.HSM, 1), stranger(t, "6660000")
	for at, served := range serves {
		for _, asked := range []channel.Mode{channel.ModeRPV, channel.ModeOTP, channel.ModeLocal} {
			for name, p := range map[string]posing{"known root": genuine, "unknown root": unknown} {
				r.mode(at)
				line := r.plug()
				_, hello := p.u(t, asked, "13572468", careless{})
				send(t, line, hello)
				got, err := receive(t, line)
				if err != nil {
					t.Fatal(err)
				}
				want := asked == served && (name == "known root" || asked == channel.ModeOTP)
				if replied := channel.Type(got[0]) == channel.TypeReply; replied != want || !replied && !channel.IsAlert(got) {
					t.Errorf("PED in %v, HSM of %s asks for %v: message of type %#x", at, name, asked, got[0])
				}
			}
		}
	}
}

// TestNoLocalModeOverTheNetwork: an HSM connects over the network by orange key
// or by password, and by nothing else: a thief at the PED's end who offers local
// mode, which takes neither, has no message to offer it in.
//
// Rule out: in hsm's Slot.Connect, make ModeLocal of a call without password.
func TestNoLocalModeOverTheNetwork(t *testing.T) {
	r := newRig(t, nil)
	r.bootstrap()
	for _, password := range []string{"", "24681357"} {
		before := r.mark()
		_ = r.connect(password)
		for _, f := range r.passed(before) {
			if !f.toPED || !channel.IsHello(f.record) {
				continue
			}
			mode, err := modeOf(r, f.record)
			if err != nil || mode == channel.ModeLocal {
				t.Errorf("the HSM said Hello in mode %v: %v", mode, err)
			}
		}
		_ = r.Slot.Disconnect(t.Context())
	}
}

// modeOf reads the mode of a Hello as a PED does.
func modeOf(r *rig, hello []byte) (m channel.Mode, err error) {
	_, _, err = channel.NewV(channel.VConfig{
		Modes:    func(asked channel.Mode) bool { m = asked; return true },
		Verifier: &certs.HSMVerifier{}, CheckCounter: func(channel.Identity) error { return nil },
	}, hello)
	if m != 0 {
		err = nil
	}
	return m, err
}

// TestCertifiedSerialOnTheLCD: what people read in line 1 is the serial of the
// issuing certificate, or that there is none to trust; the label that the HSM
// gives itself is not there.
//
// Rule out: in softped's newLink, take v.Hello().Label for the slot line; drop
// the case of an unknown peer.
func TestCertifiedSerialOnTheLCD(t *testing.T) {
	r := newRig(t, nil)
	line1 := func() string { return r.ped.Screen().Lines[0] }
	for name, c := range map[string]struct {
		p      posing
		screen string
		line   string
	}{
		"known root":   {as(t, r.HSM, 1), "otp.password", "SLOT         7000001"},
		"unknown root": {stranger(t, serial), "otp.unverified", "SLOT      UNVERIFIED"},
	} {
		r.plug()
		r.mode(protocol.PEDModePair)
		_, _ = r.begin(c.p, channel.ModeOTP, "13572468", careless{})
		r.people.Wait(c.screen)
		if line1() != c.line {
			t.Errorf("%s: line 1 is %q, want %q", name, line1(), c.line)
		}
	}
}

// begin runs a handshake as an HSM up to Begin: a person may be asked now.
func (r *rig) begin(p posing, mode channel.Mode, password string, v channel.PeerVerifier) (*channel.U, *hsmtest.Conn) {
	r.t.Helper()
	line := r.plug()
	u, hello := p.u(r.t, mode, password, v)
	send(r.t, line, hello)
	reply, err := receive(r.t, line)
	if err != nil {
		r.t.Fatal(err)
	}
	proof, err := u.Reply(reply)
	if err != nil {
		r.t.Fatal(err)
	}
	send(r.t, line, proof)
	begin, err := u.Begin()
	if err != nil {
		r.t.Fatal(err)
	}
	send(r.t, line, begin)
	return u, line
}

// answer waits for what ends a dialogue that Begin has started: PedAuth (true),
// or an error: channel.ErrAlert, a *channel.CancelledError.
func (r *rig) answer(u *channel.U, line *hsmtest.Conn) (bool, error) {
	r.t.Helper()
	for {
		rec, err := receive(r.t, line)
		if err != nil {
			return false, err
		}
		ev, err := u.Receive(rec)
		if err != nil || ev == channel.UAuth {
			return ev == channel.UAuth, err
		}
	}
}
