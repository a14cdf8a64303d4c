package hsm

import (
	"fmt"

	"openped/internal/audit"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// Grant is a login. It belongs to who obtained it, and ends with its caller's
// connection (Release), with the HSM's initialisation, or with its zeroization.
type Grant struct {
	slot   *Slot
	role   protocol.Role
	caller string
}

// Role returns the role logged in as.
func (g *Grant) Role() protocol.Role { return g.role }

// Valid reports whether the login still stands. A nil grant is none.
func (g *Grant) Valid() bool {
	if g == nil {
		return false
	}
	g.slot.mu.Lock()
	defer g.slot.mu.Unlock()
	return g.slot.grants[g]
}

// Release logs out. It may be called more than once.
func (g *Grant) Release() {
	if g == nil {
		return
	}
	g.slot.mu.Lock()
	was := g.slot.grants[g]
	delete(g.slot.grants, g)
	g.slot.mu.Unlock()
	if was {
		_ = g.slot.log(audit.Record{Event: "role logout", Role: g.role.String(), Caller: g.caller, Result: "done"})
	}
}

func (s *Slot) grant(role protocol.Role, caller string) *Grant {
	g := &Grant{slot: s, role: role, caller: caller}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants[g] = true
	return g
}

// revoke ends all logins.
func (s *Slot) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.grants)
}

// granted reports whether g is a standing login of this slot as role.
func (s *Slot) granted(g *Grant, role protocol.Role) error {
	if g == nil || g.slot != s || g.role != role || !g.Valid() {
		return errorf(hsmapi.CKR_USER_NOT_LOGGED_IN, fmt.Sprintf("run `role login -name %v` first", role), "%v is not logged in", role)
	}
	return nil
}
