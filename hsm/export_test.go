package hsm

import (
	"crypto/ecdh"

	"openped/internal/secret"
	"openped/protocol"
)

// Unseal opens a role's vault as an insider would.
func Unseal(serial string, role protocol.Role, set protocol.SetID, key *secret.Buffer, sealed []byte) (*secret.Buffer, error) {
	return binding{serial, role, set}.unseal(key, sealed)
}

// StaticKey returns the public half of the static key of this start.
func (s *Slot) StaticKey() *ecdh.PublicKey { return s.static.PublicKey() }
