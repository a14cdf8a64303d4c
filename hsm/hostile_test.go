package hsm_test

import (
	"errors"
	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"testing"
)

// ⚠ A wrapped secret opens under its own label only: a share of one login is no
// share of another. To take the rule out: a label without the ceremony.
func TestThiefReplaysAShare(t *testing.T) {
	h, p := ready(t)
	var kept *protocol.Share
	p.Hook = func(m protocol.Message) protocol.Message {
		if sh, ok := m.(*protocol.Share); ok && sh.Index == 1 {
			if kept == nil {
				c := *sh
				kept = &c
			} else {
				sh.Wrapped = kept.Wrapped
			}
		}
		return m
	}
	_, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	_, err = h.Login(p, wrong(blue[0]), blue[1])
	want(t, err, hsmapi.CKR_PED_AUTH_FAILED)
	if h.Slot.Connected().Connected {
		t.Error("the connection survived")
	}
}

// A PED that breaks the protocol loses its connection, and nothing changes.
func TestHostilePED(t *testing.T) {
	type breaker func(m protocol.Message) protocol.Message
	for name, hook := range map[string]breaker{
		"another ceremony": func(m protocol.Message) protocol.Message {
			if k, ok := m.(*protocol.KeyPresented); ok {
				k.Ceremony[3] ^= 1
			}
			return m
		},
		"out of place": func(m protocol.Message) protocol.Message {
			if k, ok := m.(*protocol.KeyPresented); ok {
				return &protocol.DuplicateChoice{Ceremony: k.Ceremony, Yes: true}
			}
			return m
		},
		"a message of the HSM's": func(m protocol.Message) protocol.Message {
			if k, ok := m.(*protocol.KeyPresented); ok {
				return &protocol.End{Ceremony: k.Ceremony, Result: protocol.EndOK}
			}
			return m
		},
		"share of a key not shown": func(m protocol.Message) protocol.Message {
			if s, ok := m.(*protocol.Share); ok {
				s.Key[0] ^= 1
			}
			return m
		},
		"share of another set": func(m protocol.Message) protocol.Message {
			if s, ok := m.(*protocol.Share); ok {
				s.Set[0] ^= 1
			}
			return m
		},
		"another index": func(m protocol.Message) protocol.Message {
			if s, ok := m.(*protocol.Share); ok {
				s.Index = s.Index%3 + 1
			}
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, p := ready(t)
			p.Hook = hook
			_, err := h.Login(p, blue[0], blue[1])
			var e *hsm.Error
			if !errors.As(err, &e) || e.Code != hsmapi.CKR_CALLBACK_ERROR && e.Code != hsmapi.CKR_PED_AUTH_FAILED {
				t.Fatal(hsmtest.Describe(err))
			}
			if h.Slot.Connected().Connected {
				t.Error("the connection survived")
			}
			p.Hook = nil
			p.Clear()
			h.MustConnect(p, "")
			_, err = h.Login(p, blue[0], blue[1])
			want(t, err, hsmapi.CKR_OK)
		})
	}
}
