package hsm

import (
	"crypto/ecdh"
	"slices"

	"openped/internal/audit"
	"openped/internal/secret"
	"openped/protocol"
)

// Driver is one HSM. A slot calls it from several goroutines.
type Driver interface {
	// Identity returns what is fixed while the driver is open.
	Identity() Identity
	// Chain returns the issuing and the origin root certificate, DER.
	Chain() (issuing, root []byte)
	// IssueStatic certifies the HSM's static key of this start.
	IssueStatic(pub *ecdh.PublicKey, startCounter uint64) (der []byte, err error)
	// IssueRPK certifies the static key of an orange key.
	IssueRPK(pub *ecdh.PublicKey) (der []byte, err error)
	// View calls f with the current state, which f neither changes nor keeps.
	View(f func(*State))
	// Update calls f with a copy of the state. If f returns nil the copy
	// replaces the state, durably and whole; when Update returns an error the
	// state is as it was. The driver owns what f puts into the copy.
	Update(f func(*State) error) error
	// Close gives the HSM back to other processes.
	Close() error
}

// Identity is who an HSM is.
type Identity struct {
	Serial   string // certified; 1 to 32 letters, digits and '-'
	Firmware string // the personality, as 7.7.0: what firmware it behaves like
	Auth     Auth
}

// State is what an HSM remembers. The secrets of roles are sealed under shares
// that only custodians have; the RPV, which a start needs, is not.
type State struct {
	Label        string
	StartCounter uint64
	// Zeroized is set by too many failed logins and cleared by the next
	// initialisation.
	Zeroized bool
	Roles    map[protocol.Role]RoleRecord
	RPV      *RPVRecord
	// Pending are the sets that are being written to keys. They hold no secret
	// and are never revived: a set that is pending at start was not committed.
	Pending []PendingSet
	// Dropped are the last sets of this HSM that were pending and never became
	// live; a key that holds one may erase it.
	Dropped []protocol.SetID
	// Failed counts failed handshakes of the RPKs listed, since the last good one.
	Failed []FailedRPK
	// UsedPasswords are digests of the one-time passwords used up, newest last.
	UsedPasswords [][]byte
	// Audit is the newest record of the audit log that this state is sure of; zero
	// if there is none. See anchor.go.
	Audit audit.Head
}

// Lengths of the lists above; the oldest entries go first.
const (
	maxDropped       = 32
	maxUsedPasswords = 256
)

// RoleRecord is a role, or the domain, that exists.
type RoleRecord struct {
	Set      protocol.SetID
	M, N     uint8
	Sealed   []byte // see seal.go; empty for the domain
	Failures int    // consecutive failed logins
	Locked   bool
}

// RPVRecord is the remote PED vector with the RPKs that may use it.
type RPVRecord struct {
	Set  protocol.SetID
	M, N uint8
	// Value has 64 bytes and is never changed in place.
	Value *secret.Buffer
	RPKs  [][64]byte // fingerprints
}

// PendingSet is a keyset between its first share written and its commit.
type PendingSet struct {
	Role protocol.Role
	Set  protocol.SetID
	M, N uint8
}

// FailedRPK counts the failed handshakes of one RPK.
type FailedRPK struct {
	RPK   [64]byte
	Count int
}

// Initialized reports whether the HSM has an SO and a domain.
func (s *State) Initialized() bool {
	_, so := s.Roles[protocol.RoleSO]
	_, domain := s.Roles[protocol.RoleDomain]
	return so && domain
}

// Clone returns a deep copy, but for the RPV's value, which is shared.
func (s *State) Clone() *State {
	c := *s
	c.Roles = make(map[protocol.Role]RoleRecord, len(s.Roles))
	for r, rec := range s.Roles {
		rec.Sealed = slices.Clone(rec.Sealed)
		c.Roles[r] = rec
	}
	if s.RPV != nil {
		v := *s.RPV
		v.RPKs = slices.Clone(v.RPKs)
		c.RPV = &v
	}
	c.Pending, c.Dropped, c.Failed = slices.Clone(s.Pending), slices.Clone(s.Dropped), slices.Clone(s.Failed)
	c.UsedPasswords = slices.Clone(s.UsedPasswords)
	return &c
}

// dropPending forgets the pending sets of these roles (of all without any).
func (s *State) dropPending(roles ...protocol.Role) {
	s.Pending = slices.DeleteFunc(s.Pending, func(p PendingSet) bool {
		if len(roles) > 0 && !slices.Contains(roles, p.Role) {
			return false
		}
		s.Dropped = append(s.Dropped, p.Set)
		return true
	})
	s.Dropped = slices.Clone(s.Dropped[max(0, len(s.Dropped)-maxDropped):])
}

// commitPending removes a pending set because it becomes live.
func (s *State) commitPending(id protocol.SetID) {
	s.Pending = slices.DeleteFunc(s.Pending, func(p PendingSet) bool { return p.Set == id })
	s.Dropped = slices.DeleteFunc(s.Dropped, func(d protocol.SetID) bool { return d == id })
}

// zeroize destroys everything that was entrusted to the HSM, the RPV with it:
// the way back is the one of a new HSM, by one-time password. Its identity, its
// start counter, the passwords used up and the audit record stay.
func (s *State) zeroize() {
	s.Label, s.Zeroized = "", true
	s.Roles, s.RPV = nil, nil
	s.Pending, s.Dropped, s.Failed = nil, nil, nil
}

// setFailed sets the count of an RPK; 0 forgets it.
func (s *State) setFailed(rpk [64]byte, count int) {
	s.Failed = slices.DeleteFunc(s.Failed, func(f FailedRPK) bool { return f.RPK == rpk })
	if count > 0 {
		s.Failed = append(s.Failed, FailedRPK{rpk, count})
	}
}

func (s *State) failed(rpk [64]byte) int {
	for _, f := range s.Failed {
		if f.RPK == rpk {
			return f.Count
		}
	}
	return 0
}

// listed reports whether an RPK belongs to the current RPV.
func (s *State) listed(rpk [64]byte) bool {
	return s.RPV != nil && slices.Contains(s.RPV.RPKs, rpk)
}
