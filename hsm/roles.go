package hsm

import (
	"slices"

	"openped/protocol"
)

// consequence is what happens when a role has no attempts left.
type consequence uint8

const (
	zeroizeHSM consequence = iota + 1 // everything is destroyed
	lockRoles                         // the roles in roleSpec.locks are locked
)

// roleSpec is a row of the role table.
type roleSpec struct {
	role  protocol.Role
	key   protocol.KeyType
	limit int // consecutive failed logins; 0: nobody logs in as this
	then  consequence
	locks []protocol.Role
	needs []protocol.Role // any of these must be logged in to create the role
	made  bool            // this version can create it
}

// roles is the role table. The black key serves four roles: keys and PEDs know
// only its colour.
var roles = []roleSpec{
	{role: protocol.RoleSO, key: protocol.KeySO, limit: 3, then: zeroizeHSM, made: true},
	{role: protocol.RoleAU, key: protocol.KeyAudit, limit: 10, then: lockRoles, locks: []protocol.Role{protocol.RoleAU}},
	// The vendor zeroizes the partition; with one partition per HSM there is
	// nothing less to take away than the roles that reach it.
	{role: protocol.RolePO, key: protocol.KeySO, limit: 10, then: lockRoles,
		locks: []protocol.Role{protocol.RolePO, protocol.RoleCO, protocol.RoleLCO, protocol.RoleCU}, needs: []protocol.Role{protocol.RoleSO}},
	{role: protocol.RoleCO, key: protocol.KeyUser, limit: 10, then: lockRoles,
		locks: []protocol.Role{protocol.RoleCO, protocol.RoleLCO, protocol.RoleCU}, needs: []protocol.Role{protocol.RolePO}},
	{role: protocol.RoleLCO, key: protocol.KeyUser, limit: 10, then: lockRoles,
		locks: []protocol.Role{protocol.RoleLCO}, needs: []protocol.Role{protocol.RoleCO}},
	{role: protocol.RoleCU, key: protocol.KeyUser, limit: 10, then: lockRoles,
		locks: []protocol.Role{protocol.RoleCU}, needs: []protocol.Role{protocol.RoleCO}},
	{role: protocol.RoleDomain, key: protocol.KeyDomain, made: true},
	{role: protocol.RoleRPV, key: protocol.KeyRPK, needs: []protocol.Role{protocol.RoleSO}, made: true},
}

// spec returns the row of a role; all roles of package protocol have one.
func spec(r protocol.Role) roleSpec {
	i := slices.IndexFunc(roles, func(s roleSpec) bool { return s.role == r })
	if i < 0 {
		return roleSpec{role: r}
	}
	return roles[i]
}

// login returns the row of a role that people log in as.
func login(r protocol.Role) (roleSpec, error) {
	s := spec(r)
	if s.limit == 0 {
		return s, errorf(codeArguments, "", "nobody logs in as %v", r)
	}
	return s, nil
}

// attemptsLeft returns how many more failures the role has before the
// consequence.
func (sp roleSpec) attemptsLeft(rec RoleRecord) int {
	if rec.Locked {
		return 0
	}
	return max(0, sp.limit-rec.Failures)
}

// countFailure adds a failed login.
func (sp roleSpec) countFailure(st *State) {
	rec := st.Roles[sp.role]
	rec.Failures++
	st.Roles[sp.role] = rec
}

// overdue reports whether the role's attempts are spent and the consequence has
// not been drawn: the process died between the count and the verdict. What was
// counted and is not known to have succeeded has failed.
func (sp roleSpec) overdue(st *State) bool {
	rec, ok := st.Roles[sp.role]
	return ok && sp.limit > 0 && rec.Failures >= sp.limit && !rec.Locked
}

// punish draws the consequence.
func (sp roleSpec) punish(st *State) {
	switch sp.then {
	case zeroizeHSM:
		st.zeroize()
	case lockRoles:
		for _, r := range sp.locks {
			if rec, ok := st.Roles[r]; ok {
				rec.Locked = true
				st.Roles[r] = rec
			}
		}
	}
}
