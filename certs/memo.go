package certs

import (
	"crypto/sha512"
	"sync"

	"openped/internal/wire"
)

// memo remembers signatures that verified, so that the long-lived certificates
// of a peer cost one verification, not one per handshake. What it remembers is
// a hash of all that the verification depends on: the certificate and the
// issuer's public key. Every other check is made each time, on the bytes at
// hand. Only a genuine signature gets in, so strangers cannot flood it. The
// zero value is ready; nil remembers nothing.
type memo struct {
	mu   sync.Mutex
	good map[[64]byte]struct{}
}

// memoSize bounds a memo; a full one starts over.
const memoSize = 64

func memoKey(p, parent *parsed) [64]byte {
	return sha512.Sum512(new(wire.Writer).Var16(p.Raw).Var16(parent.RawSubjectPublicKeyInfo).Bytes())
}

func (m *memo) has(key [64]byte) bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.good[key]
	return ok
}

func (m *memo) add(key [64]byte) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.good == nil || len(m.good) >= memoSize {
		m.good = make(map[[64]byte]struct{})
	}
	m.good[key] = struct{}{}
}
