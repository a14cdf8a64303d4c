package thief

import (
	"testing"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
	"openped/rpv"
)

// session is a channel that the thief holds the HSM's end of: the HSM's firmware
// is his, or he has all its keys.
type session struct {
	*channel.Session
	t    testing.TB
	line *hsmtest.Conn
}

// asHSM opens a session with the PED, which has the orange key in its cache.
func (r *rig) asHSM() *session {
	r.t.Helper()
	u, line := r.begin(as(r.t, r.HSM, r.State().StartCounter), channel.ModeRPV, "", careless{})
	if auth, err := r.answer(u, line); !auth {
		r.t.Fatal(err)
	}
	s, confirm, err := u.Finish(r.State().RPV.Value.Bytes())
	if err != nil {
		r.t.Fatal(err)
	}
	send(r.t, line, confirm)
	r.t.Cleanup(s.Wipe)
	return &session{s, r.t, line}
}

func (s *session) send(m protocol.Message) {
	s.t.Helper()
	rec, err := s.Seal(protocol.EncodeMessage(m))
	if err != nil {
		s.t.Fatal(err)
	}
	send(s.t, s.line, rec)
}

// next is the PED's next message, or nil for the alert.
func (s *session) next() protocol.Message {
	s.t.Helper()
	for {
		rec, err := receive(s.t, s.line)
		if err != nil {
			s.t.Fatal(err)
		}
		kind, b, err := s.Open(rec)
		switch {
		case kind == channel.KindAlert:
			return nil
		case err != nil || kind == channel.KindCloseNotify:
			s.t.Fatal(kind, err)
		case kind == channel.KindData:
			m, err := protocol.DecodeMessage(b)
			if err != nil {
				s.t.Fatal(err)
			}
			return m
		}
	}
}

// TestPEDRefusesSwappedLabels: a secret reaches a PED key only as what it was
// wrapped as: for this ceremony, operation, role, HSM, set and index. An HSM that
// hands over another wrapped secret, one that somebody made it wrap for some
// other purpose, gets the alert, and the key stays blank.
//
// Rule out: in softped's op.open, take m's label from nothing but the index; or
// in channel's UnwrapSecret, drop the comparison.
func TestPEDRefusesSwappedLabels(t *testing.T) {
	r := newRig(t, nil)
	r.bootstrap()
	wants(t, r.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	// Let the cache be filled: the thief needs nobody for his handshakes then.
	wants(t, r.connect(""), hsmapi.CKR_OK)
	c := start(func() error { return r.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "x"}, nil) })
	r.offer(orange)
	r.people.Wait("create.reuse").Press("<")
	r.ends(c, hsmapi.CKR_FUNCTION_CANCELED)
	r.blank("victim")
	id, set := protocol.CeremonyID{1}, protocol.SetID{2}
	right := channel.Label{Ceremony: id, Op: protocol.OpCreate, Role: protocol.RoleSO, Serial: serial, Set: set, Index: 1}
	for name, edit := range map[string]func(*channel.Label){
		"control":                  func(*channel.Label) {},
		"of another ceremony":      func(l *channel.Label) { l.Ceremony[1]++ },
		"an RPV share":             func(l *channel.Label) { l.Op = protocol.OpProvision },
		"an RPK private key":       func(l *channel.Label) { l.Op = protocol.OpRPKKey },
		"a share for a login":      func(l *channel.Label) { l.Op = protocol.OpAuthenticate },
		"of another role":          func(l *channel.Label) { l.Role = protocol.RoleDomain },
		"of another HSM":           func(l *channel.Label) { l.Serial = "7000002" },
		"of another set":           func(l *channel.Label) { l.Set[1]++ },
		"another share of the set": func(l *channel.Label) { l.Index = 2 },
	} {
		s := r.asHSM()
		s.send(&protocol.CreateKeyset{Ceremony: id, Role: protocol.RoleSO, KeyType: protocol.KeySO, TimeoutSec: 60, MayReuse: false})
		r.people.Wait("create.m").Press("1E").Wait("create.n").Press("1E")
		if _, ok := s.next().(*protocol.KeysetChoice); !ok {
			t.Fatalf("%s: no choice", name)
		}
		label := right
		edit(&label)
		wrapped, err := s.WrapSecret(label, make([]byte, rpv.SecretSize))
		if err != nil {
			t.Fatal(err)
		}
		s.send(&protocol.WriteShare{Ceremony: id, Index: 1, M: 1, N: 1, Set: set, Wrapped: wrapped})
		if name == "control" {
			r.people.Wait("create.insert")
			s.line.Close()
			continue
		}
		if m := s.next(); m != nil {
			t.Errorf("%s: the PED answers %v", name, m.Type())
		}
	}
	if k, err := r.keys.Load("victim"); err != nil || !k.Blank() {
		t.Errorf("the key is not blank: %v", err)
	}
}

// TestHSMRefusesReplayedShares: a PED (its firmware is the thief's) that has seen
// a custodian's share once cannot use it again: not in a later login of the same
// session, not as another index, not for a role's change.
//
// Rule out: in channel's Label.encode, drop the ceremony (first case), the index
// (second).
func TestHSMRefusesReplayedShares(t *testing.T) {
	h := hsmtest.NewHSM(t, serial, "")
	var seen []*protocol.Share
	var replay func(*protocol.Share)
	ped := func() *hsmtest.PED {
		p := hsmtest.NewPED(&hsmtest.Keyring{}, h.Origin.Cert)
		p.Hook = func(m protocol.Message) protocol.Message {
			if sh, ok := m.(*protocol.Share); ok {
				copied := *sh
				seen = append(seen, &copied)
				if replay != nil {
					replay(sh)
				}
			}
			return m
		}
		return p
	}
	p := ped()
	h.Bootstrap(p)
	h.Init(p)
	login := func(code hsmapi.Code, keys ...custodian) {
		t.Helper()
		seen = nil
		_, err := h.Login(p, keys...)
		wants(t, err, code)
	}
	login(hsmapi.CKR_OK, hsmtest.Blue[0], hsmtest.Blue[1])
	earlier := seen
	for name, c := range map[string]func(*protocol.Share){
		// The thief has the keys in the PED, and no PIN: he replays what the
		// custodians' PINs once gave.
		"a share of an earlier login": func(sh *protocol.Share) { sh.Wrapped = earlier[sh.Index-1].Wrapped },
		"one share as two": func(sh *protocol.Share) {
			if len(seen) == 2 {
				sh.Wrapped = seen[0].Wrapped
			}
		},
	} {
		replay, seen = c, nil
		_, err := h.Login(p, custodian{Key: "blue1", PIN: "0"}, custodian{Key: "blue2", PIN: "0"})
		if err == nil {
			t.Fatalf("%s: logged in", name)
		}
		wants(t, err, hsmapi.CKR_PED_AUTH_FAILED)
		if n := h.State().Roles[protocol.RoleSO].Failures; n != 0 {
			t.Errorf("%s: %d logins counted as failed; no share was ever judged", name, n)
		}
		if h.Slot.Connected().Connected {
			t.Errorf("%s: the PED is still connected", name)
		}
		// The thief's connection is gone; an honest PED goes on.
		replay = nil
		p.Clear()
		h.MustConnect(p, "")
	}
	login(hsmapi.CKR_OK, hsmtest.Blue[0], hsmtest.Blue[1])
}
