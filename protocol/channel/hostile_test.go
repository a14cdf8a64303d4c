package channel_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"openped/protocol/channel"
	"openped/protocol/channel/channeltest"
)

// The hostile tests stand between an HSM and a PED and do to their messages
// whatever can be done to bytes. `make hostile` runs them in full (go test -run
// Hostile); elsewhere, and under the race detector, they take samples.

var raceEnabled bool

// stride is the step through bytes and lengths: 1 in the full run.
func stride() int {
	run := ""
	if f := flag.Lookup("test.run"); f != nil {
		run = f.Value.String()
	}
	if !raceEnabled && (strings.Contains(run, "Hostile") || os.Getenv("OPENPED_HOSTILE") != "") {
		return 1
	}
	return 37
}

func TestHostileFlips(t *testing.T) {
	s := newSetup()
	for _, mode := range modes {
		for _, m := range s.record(t, mode) {
			t.Run(mode.String()+"/"+m.name, func(t *testing.T) {
				step := stride()
				each((len(m.msg)+step-1)/step, func(n int) {
					i := n * step
					for _, x := range []byte{0x01, 0x80} {
						bad := bytes.Clone(m.msg)
						bad[i] ^= x
						if err := attack(&m, m.to, bad); err != nil {
							t.Errorf("byte %d ^ %#02x: %v", i, x, err)
						}
					}
				})
			})
		}
	}
}

func TestHostileLengths(t *testing.T) {
	s := newSetup()
	for _, mode := range modes {
		for _, m := range s.record(t, mode) {
			t.Run(mode.String()+"/"+m.name, func(t *testing.T) {
				step := stride()
				try := func(what string, n int, bad []byte) {
					if err := attack(&m, m.to, bad); err != nil {
						t.Errorf("%s %d: %v", what, n, err)
					}
				}
				for n := 0; n < len(m.msg); n += step {
					try("cut to", n, m.msg[:n])
					if n >= channel.HeaderSize {
						try("cut, with the header's length right, to", n, reframe(m.msg[:n]))
					}
				}
				for _, n := range []int{1, 2, 64, 256, channel.MaxRecord} {
					long := append(bytes.Clone(m.msg), make([]byte, n)...)
					try("extended by", n, long)
					try("extended, with the header's length right, by", n, reframe(long))
				}
				for _, length := range []uint32{0, 1, 255, 1 << 16, 1<<16 + 256, 1 << 31, 1<<32 - 1} {
					bad := bytes.Clone(m.msg)
					binary.BigEndian.PutUint32(bad[12:], length)
					try("length field", int(length), bad)
				}
			})
		}
	}
}

// reframe makes the length field of a message fit its size.
func reframe(msg []byte) []byte {
	msg = bytes.Clone(msg)
	n := len(msg) - channel.HeaderSize
	if msg[0] >= byte(channel.TypePedAuth) {
		n -= channel.TagSize
	}
	binary.BigEndian.PutUint32(msg[12:], uint32(max(n, 0)))
	return msg
}

// TestHostileOrder gives every party in every state every message that is not
// the one it waits for: the same again, an earlier or a later one, its own, and
// those of other sessions, of other modes too.
func TestHostileOrder(t *testing.T) {
	s := newSetup()
	runs := map[channel.Mode][]moment{}
	others := map[channel.Mode][]moment{}
	for _, mode := range modes {
		runs[mode], others[mode] = s.record(t, mode), s.record(t, mode)
	}
	for _, mode := range modes {
		run := runs[mode]
		each(len(run), func(i int) {
			m := &run[i]
			try := func(what string, to party, msg []byte) {
				if err := attack(m, to, msg); err != nil {
					t.Errorf("%v, %s waited for, %s: %v", mode, m.name, what, err)
				}
			}
			try("the same twice", m.receiver, m.msg)
			try("reflected", m.from, m.msg)
			for j := range run {
				if j != i {
					try("instead "+run[j].name, m.to, run[j].msg)
				}
			}
			for _, foreign := range modes {
				for j := range others[foreign] {
					try("of another session, "+foreign.String()+" "+run[j].name, m.to, others[foreign][j].msg)
				}
			}
		})
	}
}

// TestHostileModes turns the mode in Hello into each other one, for a PED that
// serves them all.
func TestHostileModes(t *testing.T) {
	s := newSetup()
	for _, mode := range modes {
		for _, other := range modes {
			if mode == other {
				continue
			}
			m := s.record(t, mode)[0]
			m.to.(*pedDriver).cfg.Modes = func(channel.Mode) bool { return true }
			bad := channel.EditHello(m.msg, func(e *channel.HelloEdit) { *e.Mode = other })
			if err := attack(&m, m.to, bad); err != nil {
				t.Errorf("%v as %v: %v", mode, other, err)
			}
		}
	}
}

// TestHostileParties changes who the parties are or what they hold. Each case
// says where it must end.
func TestHostileParties(t *testing.T) {
	s := newSetup()
	foreign := newSetup()
	sibling := s.pki.NewHSM(s.hsm.Serial + "9") // same root, another HSM
	unlisted, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	type edit = func(*channel.UConfig, *channel.VConfig, *channel.AuthInput, *[]byte)
	for name, c := range map[string]struct {
		mode  channel.Mode
		edit  edit
		where string
		cause error
	}{
		"wrong root": {channel.ModeRPV, func(u *channel.UConfig, _ *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			*u = foreign.hsm.UConfig(channel.ModeRPV)
		}, "NewV", channel.ErrPeerIdentity},
		"wrong root sent along with the right one": {channel.ModeRPV, func(u *channel.UConfig, _ *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			*u = foreign.hsm.UConfig(channel.ModeRPV)
			u.Chain = [][]byte{u.Chain[0], u.Chain[1], s.hsm.Chain[2]}
		}, "NewV", channel.ErrPeerIdentity},
		"wrong issuing key": {channel.ModeRPV, func(u *channel.UConfig, _ *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			u.Chain = [][]byte{u.Chain[0], sibling.Chain[1], u.Chain[2]}
		}, "NewV", channel.ErrPeerIdentity},
		"wrong role: an RPK as static key": {channel.ModeRPV, func(u *channel.UConfig, _ *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			u.Chain = [][]byte{s.rpk.Cert, u.Chain[1], u.Chain[2]}
			u.Static = s.rpk.Private
		}, "NewV", channel.ErrPeerIdentity},
		"wrong role: an issuing key as static key": {channel.ModeRPV, func(u *channel.UConfig, _ *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			u.Chain = [][]byte{u.Chain[1], u.Chain[1], u.Chain[2]}
		}, "NewV", channel.ErrPeerIdentity},
		"wrong role: a static key as RPK": {channel.ModeRPV, func(_ *channel.UConfig, _ *channel.VConfig, in *channel.AuthInput, _ *[]byte) {
			in.RPKCert, in.RPK = sibling.Chain[0], sibling.Static
		}, "U.Receive(PedAuth)", channel.ErrPeerIdentity},
		"a certified HSM under another's serial": {channel.ModeRPV, func(u *channel.UConfig, _ *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			*u = sibling.UConfig(channel.ModeRPV)
			u.Serial = s.hsm.Serial
		}, "NewV", channel.ErrPeerIdentity},
		"static key without its private key": {channel.ModeRPV, func(u *channel.UConfig, _ *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			u.Static = unlisted
		}, "V.Receive(HsmProof)", channel.ErrConfirmation},
		"static key of an earlier start": {channel.ModeRPV, func(u *channel.UConfig, v *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			v.CheckCounter = channeltest.Counters{s.hsm.IssuingFP(): s.hsm.Counter + 1}.Check
		}, "NewV", channeltest.ErrCounter},
		"unlisted RPK": {channel.ModeRPV, func(_ *channel.UConfig, _ *channel.VConfig, in *channel.AuthInput, _ *[]byte) {
			r := s.hsm.UnlistedRPK(unlisted)
			in.RPKCert, in.RPK = r.Cert, r.Private
		}, "U.Receive(PedAuth)", channel.ErrPeerIdentity},
		"RPK of another HSM": {channel.ModeRPV, func(_ *channel.UConfig, _ *channel.VConfig, in *channel.AuthInput, _ *[]byte) {
			r := sibling.NewRPK()
			in.RPKCert, in.RPK = r.Cert, r.Private
		}, "U.Receive(PedAuth)", channel.ErrPeerIdentity},
		"RPK certificate without its private key": {channel.ModeRPV, func(_ *channel.UConfig, _ *channel.VConfig, in *channel.AuthInput, _ *[]byte) {
			in.RPK = unlisted
		}, "U.Finish", channel.ErrConfirmation},
		"wrong RPV": {channel.ModeRPV, func(_ *channel.UConfig, _ *channel.VConfig, in *channel.AuthInput, _ *[]byte) {
			in.RPV[63] ^= 1
		}, "U.Finish", channel.ErrConfirmation},
		"HSM with another RPV": {channel.ModeRPV, func(_ *channel.UConfig, _ *channel.VConfig, _ *channel.AuthInput, rpv *[]byte) {
			*rpv = make([]byte, 64)
		}, "U.Finish", channel.ErrConfirmation},
		"wrong password": {channel.ModeOTP, func(_ *channel.UConfig, _ *channel.VConfig, in *channel.AuthInput, _ *[]byte) {
			in.Password = []byte("01234568")
		}, "U.Finish", channel.ErrConfirmation},
		"own static key as orange key": {channel.ModeRPV, func(u *channel.UConfig, _ *channel.VConfig, in *channel.AuthInput, _ *[]byte) {
			in.RPK = s.hsm.Static
		}, "V.Auth", channel.ErrOwnKey},
		"mode not served": {channel.ModeOTP, func(_ *channel.UConfig, v *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			v.Modes = func(m channel.Mode) bool { return m == channel.ModeRPV }
		}, "NewV", channel.ErrMode},
		"no mode served": {channel.ModeRPV, func(_ *channel.UConfig, v *channel.VConfig, _ *channel.AuthInput, _ *[]byte) {
			v.Modes = func(channel.Mode) bool { return false }
		}, "NewV", channel.ErrMode},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := s.run(c.mode, c.edit)
			if err == nil {
				t.Fatal("handshake succeeded")
			}
			if !strings.HasPrefix(err.Error(), c.where+":") || !errors.Is(err, c.cause) || !errors.Is(err, channel.ErrRefused) {
				t.Errorf("got %v, want %s: %v", err, c.where, c.cause)
			}
			if r.HSM != nil || r.PED != nil {
				t.Error("a session came out")
			}
			// The alert ends whichever side still lives.
			if r.U != nil && r.U.State() != channel.StateDead && r.U.State() != channel.StateHello {
				if _, err := r.U.Receive(channel.AlertRecord()); !errors.Is(err, channel.ErrAlert) || !r.U.Wiped() {
					t.Errorf("alert at the HSM gives %v", err)
				}
			}
			if r.V != nil && r.V.State() != channel.StateDead {
				if _, err := r.V.Receive(channel.AlertRecord()); !errors.Is(err, channel.ErrAlert) || !r.V.Wiped() {
					t.Errorf("alert at the PED gives %v", err)
				}
			}
		})
	}
}

// TestHostilePedAuth is a PED that has got as far as K0, as any stranger can:
// every byte of what it seals is flipped, before sealing.
func TestHostilePedAuth(t *testing.T) {
	s := newSetup()
	for _, mode := range []channel.Mode{channel.ModeRPV, channel.ModeLocal} {
		run := s.record(t, mode)
		m := &run[5]
		_, payload, err := m.to.(*hsmDriver).u.PeekK0(1, m.msg)
		if err != nil {
			t.Fatal(err)
		}
		ped := run[4].from.(*pedDriver)
		seal := func(payload []byte) []byte {
			v := ped.v.Clone()
			v.Rewind()
			return v.SealK0(channel.TypePedAuth, payload)
		}
		if err := control(attack(m, m.to, seal(payload))); err != nil {
			t.Fatal(err)
		}
		step := min(stride(), 5)
		each((len(payload)+step-1)/step, func(n int) {
			i := n * step
			for _, x := range []byte{0x01, 0x80} {
				bad := bytes.Clone(payload)
				bad[i] ^= x
				if err := attack(m, m.to, seal(bad)); err != nil {
					t.Errorf("%v: byte %d ^ %#02x: %v", mode, i, x, err)
				}
			}
		})
	}
}

// TestHostilePassword is the same in otp, where each try costs a handshake.
func TestHostilePassword(t *testing.T) {
	s := newSetup()
	size := 1 + len(channeltest.PEDSerial) + 1 + len(channeltest.PEDFirmware) + 2 + 1 + 32 + 64
	step := stride()
	each((size+step-1)/step, func(n int) {
		hsm, ped, msg, err := s.parties(channel.ModeOTP)
		if err != nil {
			t.Error(err)
			return
		}
		reply, _ := ped.feed(msg)
		proof, err := hsm.feed(reply[0])
		if err != nil {
			t.Error(err)
			return
		}
		ped.feed(proof[0])
		auth, err := ped.feed(proof[1])
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := hsm.feed(auth[0]); err != nil {
			t.Error(err)
			return
		}
		_, payload, err := hsm.u.PeekK0(1, auth[1])
		if err != nil || len(payload) != size {
			t.Errorf("PedAuth of %d bytes: %v", len(payload), err)
			return
		}
		honest := n == 0 // the control
		if !honest {
			payload[n*step] ^= 0x01
		}
		v := ped.v.Clone()
		v.Rewind()
		_, err = hsm.feed(v.SealK0(channel.TypePedAuth, payload))
		if honest {
			if err != nil || hsm.gave() != 1 {
				t.Errorf("control: %v", err)
			}
			return
		}
		if !errors.Is(err, channel.ErrRefused) || hsm.gave() != 0 || !hsm.dead() {
			t.Errorf("byte %d: %v", n*step, err)
		}
	})
}

// TestHostileK0 gives records of the right keys and the wrong type or content.
func TestHostileK0(t *testing.T) {
	s := newSetup()
	run := s.record(t, channel.ModeRPV)
	types := []channel.Type{0, channel.TypeHello, channel.TypeReply, channel.TypeHsmProof, channel.TypePedAuth, channel.TypeConfirm, channel.TypeBegin,
		channel.TypeActivity, channel.TypeCancelled, channel.TypeData, channel.TypeClose, channel.TypeAlert, 0xff}
	for _, payload := range [][]byte{nil, {0}, make([]byte, 64), make([]byte, 400)} {
		for _, typ := range types {
			try := func(who string, m *moment, msg []byte, allowed ...channel.Type) {
				t.Helper()
				err := attack(m, m.to, msg)
				if len(payload) == 0 && slices.Contains(allowed, typ) {
					err = control(err)
				}
				if err != nil {
					t.Errorf("%s, %v of %d bytes: %v", who, typ, len(payload), err)
				}
			}
			v := run[4].from.(*pedDriver).v.Clone()
			v.Rewind()
			v.Rewind()
			try("HSM waiting for PedAuth", &run[4], v.SealK0(typ, payload), channel.TypeActivity)
			u := run[3].from.(*hsmDriver).u.Clone()
			u.Rewind()
			try("PED waiting for Begin", &run[3], u.SealK0(typ, payload), channel.TypeBegin)
			u = run[5].to.(*hsmDriver).u.Clone()
			try("PED waiting for Confirm", &run[6], u.SealK0(typ, payload))
			hs, ps := run[7].from.(*hsmDriver).s.Clone(), run[8].from.(*pedDriver).v.Session().Clone()
			hs.SkipTo(0, 0)
			ps.SkipTo(0, 0)
			try("PED in session", &run[7], hs.SealRaw(typ, payload))
			try("HSM in session", &run[8], ps.SealRaw(typ, payload), channel.TypeActivity)
		}
	}
}
