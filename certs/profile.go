package certs

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// MaxCert is the largest size of a certificate in bytes, DER.
const MaxCert = 4096

// Extensions of our own, both critical. The arc 2.999 is for examples; its use
// here is provisional (docs/SPEC.md).
var (
	oidRole         = asn1.ObjectIdentifier{2, 999, 18033, 1} // ENUMERATED, a Role
	oidStartCounter = asn1.ObjectIdentifier{2, 999, 18033, 2} // INTEGER 0 … 2^64-1
)

// Extensions of RFC 5280 that the profile uses.
var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// Role is what a certificate's key is for.
type Role uint8

// The roles.
const (
	RoleOrigin  Role = 1 // signs issuing keys
	RoleIssuing Role = 2 // signs its HSM's static and RPK keys
	RoleStatic  Role = 3 // the HSM's half of the channel
	RoleRPK     Role = 4 // an orange key's half
)

// String returns "origin", "issuing", "static" or "rpk".
func (r Role) String() string {
	if n := [...]string{1: "origin", "issuing", "static", "rpk"}; int(r) < len(n) && r > 0 {
		return n[r]
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// signs reports whether keys of this role sign certificates.
func (r Role) signs() bool { return r == RoleOrigin || r == RoleIssuing }

// Validity is fixed, whole and without an end: RFC 5280, 4.1.2.5.
var (
	notBefore = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// What is wrong with a certificate or chain. They are for the local log: the
// peer gets the one alert.
var (
	ErrProfile     = errors.New("certificate breaks the profile")
	ErrRole        = errors.New("certificate is for another role")
	ErrChain       = errors.New("certificates are not one chain")
	ErrSignature   = errors.New("certificate signature does not verify")
	ErrUnknownRoot = errors.New("origin root is not known here")
	ErrNotListed   = errors.New("RPK is not listed with the current RPV")
	ErrOwnKey      = errors.New("own public key came back")
	ErrNotHere     = errors.New("no such certificates are expected on this side")
	ErrSerial      = errors.New("an HSM serial is 1 to 32 letters, digits and '-'")
)

// parsed is a certificate that fulfils the profile of its role. Its signature
// has not been looked at.
type parsed struct {
	*x509.Certificate
	role    Role
	serial  string // the HSM's; empty in an origin root
	counter uint64 // static only
	key     *ecdsa.PublicKey
}

func bad(role Role, what string) error { return fmt.Errorf("%s %w: %s", role, ErrProfile, what) }

// parse checks one certificate against the profile of the role expected.
func parse(der []byte, role Role) (*parsed, error) {
	if len(der) == 0 || len(der) > MaxCert {
		return nil, bad(role, "size")
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, bad(role, "not X.509")
	}
	p := &parsed{Certificate: c, role: role}
	if err := p.checkExtensions(); err != nil {
		return nil, err
	}
	if err := p.checkKey(); err != nil {
		return nil, err
	}
	if err := p.checkNames(); err != nil {
		return nil, err
	}
	switch {
	case c.Version != 3:
		return nil, bad(role, "version")
	case c.SignatureAlgorithm != x509.ECDSAWithSHA512:
		return nil, bad(role, "signature algorithm")
	case !c.NotBefore.Equal(notBefore) || !c.NotAfter.Equal(notAfter):
		return nil, bad(role, "validity")
	}
	return p, nil
}

// checkExtensions allows exactly the extensions of the role, and others only if
// they are not critical.
func (p *parsed) checkExtensions() error {
	seen := map[string]bool{}
	for _, e := range p.Extensions {
		critical := true
		switch {
		case e.Id.Equal(oidRole):
			var v asn1.Enumerated
			if rest, err := asn1.Unmarshal(e.Value, &v); err != nil || len(rest) != 0 {
				return bad(p.role, "role extension")
			}
			if v != asn1.Enumerated(p.role) {
				return fmt.Errorf("%w: %s expected", ErrRole, p.role)
			}
		case e.Id.Equal(oidStartCounter) && p.role == RoleStatic:
			v := new(big.Int)
			if rest, err := asn1.Unmarshal(e.Value, &v); err != nil || len(rest) != 0 || !v.IsUint64() {
				return bad(p.role, "start counter")
			}
			p.counter = v.Uint64()
		case e.Id.Equal(oidKeyUsage), e.Id.Equal(oidBasicConstraints):
		case e.Id.Equal(oidSubjectKeyID), e.Id.Equal(oidAuthorityKeyID):
			critical = false
		case e.Critical:
			return bad(p.role, "unknown critical extension")
		default:
			continue
		}
		if e.Critical != critical {
			return bad(p.role, "extension criticality")
		}
		seen[e.Id.String()] = true
	}
	if !seen[oidRole.String()] {
		return fmt.Errorf("%w: no role extension", ErrRole)
	}
	need := []asn1.ObjectIdentifier{oidKeyUsage, oidBasicConstraints, oidSubjectKeyID, oidAuthorityKeyID}
	if p.role == RoleStatic {
		need = append(need, oidStartCounter)
	}
	for _, oid := range need {
		if !seen[oid.String()] {
			return bad(p.role, "missing extension")
		}
	}
	usage, pathLen := x509.KeyUsageKeyAgreement, -1
	switch p.role {
	case RoleOrigin:
		usage, pathLen = x509.KeyUsageCertSign, 1
	case RoleIssuing:
		usage, pathLen = x509.KeyUsageCertSign, 0
	}
	switch {
	case p.KeyUsage != usage:
		return bad(p.role, "key usage")
	case !p.BasicConstraintsValid || p.IsCA != p.role.signs():
		return bad(p.role, "basic constraints")
	case p.IsCA && (p.MaxPathLen != pathLen || pathLen == 0 && !p.MaxPathLenZero):
		return bad(p.role, "path length")
	}
	return nil
}

// checkKey allows P-521 in its one encoding.
func (p *parsed) checkKey() error {
	key, ok := p.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P521() {
		return bad(p.role, "public key is not P-521")
	}
	// Another encoding of the same key would have another fingerprint.
	if der, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(der, p.RawSubjectPublicKeyInfo) {
		return bad(p.role, "public key encoding")
	}
	if !bytes.Equal(p.SubjectKeyId, keyID(p.RawSubjectPublicKeyInfo)) || len(p.AuthorityKeyId) != 20 {
		return bad(p.role, "key identifier")
	}
	p.key = key
	return nil
}

// checkNames reads the HSM's serial from the subject.
func (p *parsed) checkNames() error {
	p.serial = p.Subject.SerialNumber
	if p.role == RoleOrigin {
		if p.serial != "" || !bytes.Equal(p.RawSubject, p.RawIssuer) {
			return bad(p.role, "names")
		}
		return nil
	}
	// Exactly the two attributes: a second serial would be a second opinion.
	if !bytes.Equal(p.RawSubject, subjectDER(p.role, p.serial)) || CheckSerial(p.serial) != nil {
		return bad(p.role, "names")
	}
	return nil
}

// signedBy checks that parent signed p, and what must be equal in both. A
// signature that is in m has been verified before.
func (p *parsed) signedBy(parent *parsed, m *memo) error {
	if err := p.namedBy(parent); err != nil {
		return err
	}
	key := memoKey(p, parent)
	if m.has(key) {
		return nil
	}
	digest := sha512.Sum512(p.RawTBSCertificate)
	if !ecdsa.VerifyASN1(parent.key, digest[:], p.Signature) {
		return fmt.Errorf("%s %w", p.role, ErrSignature)
	}
	m.add(key)
	return nil
}

// namedBy is signedBy without the signature.
func (p *parsed) namedBy(parent *parsed) error {
	if !bytes.Equal(p.RawIssuer, parent.RawSubject) || !bytes.Equal(p.AuthorityKeyId, parent.SubjectKeyId) {
		return fmt.Errorf("%w: %s names another issuer", ErrChain, p.role)
	}
	if parent.role == RoleIssuing && p.serial != parent.serial {
		return fmt.Errorf("%w: %s and issuing key have different HSM serials", ErrChain, p.role)
	}
	return nil
}

// ecdh returns the public key for a key agreement.
func (p *parsed) ecdh() (*ecdh.PublicKey, error) {
	k, err := p.key.ECDH()
	if err != nil {
		return nil, bad(p.role, "public key")
	}
	return k, nil
}
