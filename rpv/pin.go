package rpv

import (
	"crypto/sha512"
	"errors"

	"golang.org/x/crypto/argon2"

	"openped/internal/secret"
	"openped/internal/wire"
	"openped/protocol"
)

// Lengths of a PED PIN in digits.
const (
	MinPIN = 4
	MaxPIN = 48
)

// ErrPIN is what CheckPIN returns for a PIN that the rules forbid.
var ErrPIN = errors.New("a PED PIN has 4 to 48 digits, the first not 0, or none at all")

// CheckPIN applies the rules for a new PIN: 4 to 48 ASCII digits, the first not
// 0; or empty, which means no PIN.
func CheckPIN(pin []byte) error {
	if len(pin) == 0 {
		return nil
	}
	if len(pin) < MinPIN || len(pin) > MaxPIN || pin[0] == '0' {
		return ErrPIN
	}
	for _, c := range pin {
		if c < '0' || c > '9' {
			return ErrPIN
		}
	}
	return nil
}

// ArgonParams are the cost parameters of Argon2id (RFC 9106).
type ArgonParams struct {
	Time      uint32 // passes, 1 to 16
	MemoryKiB uint32 // 8·Threads to 262144
	Threads   uint8  // 1 to 4
}

// Upper bounds of ArgonParams, checked before anything is allocated.
const (
	MaxArgonTime      = 16
	MaxArgonMemoryKiB = 256 << 10
	MaxArgonThreads   = 4
)

// ErrArgon means parameters outside their bounds.
var ErrArgon = errors.New("key stretching parameters out of bounds")

// DefaultCost returns what new PED keys get: 3 passes over 64 MiB, one thread.
func DefaultCost() ArgonParams { return ArgonParams{Time: 3, MemoryKiB: 64 << 10, Threads: 1} }

// LightCost returns the least there is, for tests and demonstrations: it
// protects nothing.
func LightCost() ArgonParams { return ArgonParams{Time: 1, MemoryKiB: 8, Threads: 1} }

// Check returns ErrArgon if p is out of bounds.
func (p ArgonParams) Check() error {
	if p.Threads < 1 || p.Threads > MaxArgonThreads || p.Time < 1 || p.Time > MaxArgonTime ||
		p.MemoryKiB < 8*uint32(p.Threads) || p.MemoryKiB > MaxArgonMemoryKiB {
		return ErrArgon
	}
	return nil
}

// shareSalt derives the salt of a share's mask. It is not drawn at random, so
// that two copies of one share with the same PIN are the same bytes: with two
// salts the pair would tell a right PIN from a wrong one offline.
func shareSalt(set protocol.SetID, typ protocol.KeyType, index uint8) (salt [16]byte) {
	h := sha512.Sum512(new(wire.Writer).Raw([]byte("openped v1 share salt ")).
		Raw(set[:]).U8(uint8(typ)).U8(index).Bytes())
	return [16]byte(h[:])
}

// applyMask XORs the PIN's mask onto v, in place: masking and unmasking are the
// same. Every pin is as good as any other.
func applyMask(v []byte, pin []byte, salt [16]byte, p ArgonParams) error {
	if err := p.Check(); err != nil {
		return err
	}
	mask := argon2.IDKey(pin, salt[:], p.Time, p.MemoryKiB, p.Threads, SecretSize)
	for i := range v {
		v[i] ^= mask[i]
	}
	clear(mask)
	return nil
}

// Unmask returns the share under the given PIN, in a buffer that the caller
// destroys. A wrong PIN gives a wrong share and no error: there is nothing here
// to tell them apart. The PIN is ignored if the set has none. It takes about
// 0.2 s and 64 MiB at DefaultCost.
//
// ErrPIN is returned for more than MaxPIN bytes, ErrArgon for parameters out of
// bounds; neither depends on whether the PIN is right.
func (s *Set) Unmask(pin []byte) (*secret.Buffer, error) {
	if len(pin) > MaxPIN {
		return nil, ErrPIN
	}
	v := secret.Copy(s.Masked[:])
	if !s.HasPIN {
		return v, nil
	}
	if err := applyMask(v.Bytes(), pin, s.Salt, s.Argon); err != nil {
		v.Destroy()
		return nil, err
	}
	return v, nil
}
