package hsm_test

import (
	"testing"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// The HSM names the live set of the role in every CreateKeyset, and only one
// that is in force.
func TestCreateKeysetNamesTheLiveSet(t *testing.T) {
	h, p := ready(t) // the RPV, the SO and the domain: nothing was live
	st := h.State()
	old := map[protocol.Role]protocol.SetID{protocol.RoleRPV: st.RPV.Set}
	for role, rec := range st.Roles {
		old[role] = rec.Set
	}
	seen := created(p)
	if len(seen) != 3 {
		t.Fatalf("%d keysets", len(seen))
	}
	for _, m := range seen {
		if !m.LiveSet.IsZero() {
			t.Errorf("%v: %v live on a new HSM", m.Role, m.LiveSet)
		}
	}
	g, err := h.Login(p, blue[0], blue[1])
	want(t, err, hsmapi.CKR_OK)
	p.Answer(true)
	p.Choose(hsmtest.Choice{M: 1, N: 1}, hsmtest.Choice{M: 1, N: 1}, hsmtest.Choice{M: 1, N: 1})
	p.Insert(hsmtest.Insert{Key: "b"}, hsmtest.Insert{Key: "r"})
	want(t, h.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "new", Grant: g, Force: true}, nil), hsmapi.CKR_OK)
	g, err = h.Login(p, hsmtest.Insert{Key: "b"})
	want(t, err, hsmapi.CKR_OK)
	p.Insert(hsmtest.Insert{Key: "o"})
	want(t, h.Slot.InitRPV(t.Context(), g, nil), hsmapi.CKR_OK)
	for _, m := range created(p)[3:] {
		if m.LiveSet != old[m.Role] || m.LiveSet.IsZero() {
			t.Errorf("%v: %v, want %v", m.Role, m.LiveSet, old[m.Role])
		}
	}
}

func created(p *hsmtest.PED) (all []*protocol.CreateKeyset) {
	for _, m := range p.Messages() {
		if c, ok := m.(*protocol.CreateKeyset); ok {
			all = append(all, c)
		}
	}
	return all
}
