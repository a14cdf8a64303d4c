package hsm

import (
	"crypto/ecdh"

	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
)

// Unseal opens a role's vault as an insider would.
func Unseal(serial string, role protocol.Role, set protocol.SetID, key *secret.Buffer, sealed []byte) (*secret.Buffer, error) {
	return binding{serial, role, set}.unseal(key, sealed)
}

// SetLimits limits the sessions to come.
func (s *Slot) SetLimits(l channel.Limits) { s.limits = l }

// StaticKey returns the public half of the static key of this start.
func (s *Slot) StaticKey() *ecdh.PublicKey { return s.static.PublicKey() }

// Session returns the session of the connection, or nil. No ceremony may run.
func (s *Slot) Session() *channel.Session {
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	c.mu.Lock() // as the idle handler, which is the owner now
	defer c.mu.Unlock()
	return c.s
}
