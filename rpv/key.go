package rpv

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"maps"
	"slices"

	"openped/internal/secret"
	"openped/protocol"
)

// Limits of a set's lists.
const (
	MaxIssuers  = 16   // HSMs that one set serves
	MaxRPKCert  = 2048 // bytes of an RPK certificate
	RPKKeySize  = 66   // bytes of an RPK private key, a P-521 scalar
	fingerprint = 64   // bytes of an issuing key's fingerprint, SHA-512
)

// Errors of the operations on a key.
var (
	ErrNoPending = errors.New("key holds no such pending set")
	ErrUnlisted  = errors.New("key does not serve this HSM")
	ErrListFull  = errors.New("key already serves 16 HSMs")
	ErrCounter   = errors.New("HSM start counter is lower than one this key has seen: stolen or restored HSM identity")
	ErrNotOrange = errors.New("key holds no RPK")
	ErrSet       = errors.New("set breaks the rules of its kind")
)

// Fingerprint identifies an HSM's issuing key: SHA-512 of its DER
// SubjectPublicKeyInfo.
type Fingerprint = [fingerprint]byte

// Key is the content of one PED key. All methods work on memory only; what they
// change becomes durable by Store.Save.
type Key struct {
	Serial protocol.KeySerial
	// Type is the current set's type, the pending one's if there is no current
	// set, or 0 on a blank key. The methods keep it so.
	Type protocol.KeyType
	// Current is the set in use, Pending one that was written but not yet named
	// live by its HSM. Either may be nil. The key owns both.
	Current, Pending *Set

	loaded  loadedFrom
	unknown []field
}

// Set is one share of a keyset, with what its HSMs need it for.
type Set struct {
	ID          protocol.SetID
	Type        protocol.KeyType
	Index, M, N uint8
	// HasPIN tells the PED to ask. Without a PIN, Masked is the bare share.
	HasPIN bool
	Salt   [16]byte
	Argon  ArgonParams
	Masked [SecretSize]byte
	// Issuers are the issuing keys of the HSMs served, in the order they were added.
	Issuers []Fingerprint
	// RPK is present on orange keys, and only there.
	RPK *RPK
	// Counters holds the highest start counter seen of each issuer listed.
	Counters map[Fingerprint]uint64

	unknown []field
}

// RPK is the static key of an orange key. It is not under the PIN: its
// certificates would tell a right PIN from a wrong one.
type RPK struct {
	Private *secret.Buffer // 66 bytes, big-endian scalar
	Certs   []RPKCert      // one per HSM
}

// RPKCert is an RPK certificate and the issuing key that signed it.
type RPKCert struct {
	Issuer Fingerprint
	DER    []byte
}

// NewBlank returns an empty key with a random serial.
func NewBlank() *Key {
	k := new(Key)
	for k.Serial == (protocol.KeySerial{}) {
		rand.Read(k.Serial[:])
	}
	return k
}

// SetParams is what NewSet makes a set of.
type SetParams struct {
	ID          protocol.SetID
	Type        protocol.KeyType
	Index, M, N uint8
	PIN         []byte         // by CheckPIN; empty for none
	Share       *secret.Buffer // 64 bytes, copied
	Cost        ArgonParams    // zero means DefaultCost
	Issuer      Fingerprint    // the HSM that made the set
	RPKPrivate  *secret.Buffer // orange only: 66 bytes, copied
	RPKCert     []byte         // orange only: DER
}

// NewSet masks a share with a PIN. It returns ErrPIN, ErrQuorum, ErrSet or
// ErrArgon if p breaks the rules.
func NewSet(p SetParams) (*Set, error) {
	if err := CheckPIN(p.PIN); err != nil {
		return nil, err
	}
	if p.Share.Len() != SecretSize {
		return nil, ErrSecretSize
	}
	s := &Set{ID: p.ID, Type: p.Type, Index: p.Index, M: p.M, N: p.N,
		Issuers: []Fingerprint{p.Issuer}, Counters: map[Fingerprint]uint64{}}
	copy(s.Masked[:], p.Share.Bytes())
	if len(p.PIN) > 0 {
		s.HasPIN, s.Argon, s.Salt = true, p.Cost, shareSalt(p.ID, p.Type, p.Index)
		if s.Argon == (ArgonParams{}) {
			s.Argon = DefaultCost()
		}
		if err := applyMask(s.Masked[:], p.PIN, s.Salt, s.Argon); err != nil {
			clear(s.Masked[:])
			return nil, err
		}
	}
	if p.RPKPrivate != nil {
		s.RPK = &RPK{Private: secret.Copy(p.RPKPrivate.Bytes()),
			Certs: []RPKCert{{Issuer: p.Issuer, DER: slices.Clone(p.RPKCert)}}}
	}
	if err := s.check(); err != nil {
		s.Destroy()
		return nil, err
	}
	return s, nil
}

// check applies the rules that hold for every set, in memory and in a file.
func (s *Set) check() error {
	if err := CheckQuorum(int(s.M), int(s.N)); err != nil {
		return err
	}
	if s.Index < 1 || s.Index > s.N {
		return ErrShareIndex
	}
	if s.HasPIN {
		if err := s.Argon.Check(); err != nil {
			return err
		}
	}
	if s.Type < protocol.KeySO || s.Type > protocol.KeyAudit || s.ID == (protocol.SetID{}) ||
		len(s.Issuers) > MaxIssuers || (s.Type == protocol.KeyRPK) != (s.RPK != nil) {
		return ErrSet
	}
	seen := make(map[Fingerprint]bool)
	for _, fp := range s.Issuers {
		if seen[fp] {
			return ErrSet
		}
		seen[fp] = true
	}
	for fp := range s.Counters {
		if !seen[fp] {
			return ErrSet
		}
	}
	if s.RPK == nil {
		return nil
	}
	if _, err := s.RPK.Key(); err != nil || len(s.RPK.Certs) > MaxIssuers {
		return ErrSet
	}
	certs := make(map[Fingerprint]bool)
	for _, c := range s.RPK.Certs {
		if !seen[c.Issuer] || certs[c.Issuer] || len(c.DER) == 0 || len(c.DER) > MaxRPKCert {
			return ErrSet
		}
		certs[c.Issuer] = true
	}
	return nil
}

// Lists reports whether the set serves the HSM with this issuing key.
func (s *Set) Lists(fp Fingerprint) bool { return s != nil && slices.Contains(s.Issuers, fp) }

// Key returns the private key for use in a handshake. crypto/ecdh keeps it on
// the garbage collector's heap.
func (r *RPK) Key() (*ecdh.PrivateKey, error) {
	k, err := ecdh.P521().NewPrivateKey(r.Private.Bytes())
	if err != nil {
		return nil, ErrSet
	}
	return k, nil
}

// Cert returns the certificate that the HSM with this issuing key gave, or nil.
func (r *RPK) Cert(fp Fingerprint) []byte {
	if r == nil {
		return nil
	}
	for _, c := range r.Certs {
		if c.Issuer == fp {
			return c.DER
		}
	}
	return nil
}

// Destroy wipes the set's secrets.
func (s *Set) Destroy() {
	if s == nil {
		return
	}
	clear(s.Masked[:])
	if s.RPK != nil {
		s.RPK.Private.Destroy()
	}
}

// clone returns a deep copy.
func (s *Set) clone() *Set {
	if s == nil {
		return nil
	}
	c := *s
	c.Issuers = slices.Clone(s.Issuers)
	c.Counters = maps.Clone(s.Counters)
	c.unknown = cloneFields(s.unknown)
	if s.RPK != nil {
		c.RPK = &RPK{Private: secret.Copy(s.RPK.Private.Bytes())}
		for _, cert := range s.RPK.Certs {
			c.RPK.Certs = append(c.RPK.Certs, RPKCert{cert.Issuer, slices.Clone(cert.DER)})
		}
	}
	return &c
}

// Clone returns a deep copy with the same serial, which a Store saves over the
// same version of the file as it would k.
func (k *Key) Clone() *Key {
	c := *k
	c.Current, c.Pending = k.Current.clone(), k.Pending.clone()
	c.unknown = cloneFields(k.unknown)
	return &c
}

// Destroy wipes the key's secrets in memory.
func (k *Key) Destroy() {
	if k != nil {
		k.Current.Destroy()
		k.Pending.Destroy()
	}
}
