package certs

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"

	"openped/internal/wire"
)

// OriginRoot is the top of the chain: it stands for the origin certificate that
// a hardware maker would keep.
type OriginRoot struct {
	CertDER []byte
	Cert    *x509.Certificate
	key     *ecdsa.PrivateKey
}

// Issuing is the identity of one HSM, which lives as long as the HSM.
type Issuing struct {
	Key     *ecdsa.PrivateKey
	CertDER []byte // the issuing certificate
	RootDER []byte // the origin root that signed it
	Serial  string // the HSM's
}

// NewOriginRoot makes a root with a new key. name is shown to people only; it
// must be 1 to 64 printable ASCII characters.
func NewOriginRoot(name string) (*OriginRoot, error) {
	if name == "" || len(name) > 64 {
		return nil, errors.New("the name of an origin root has 1 to 64 characters")
	}
	for _, c := range []byte(name) {
		if c < 0x20 || c > 0x7e {
			return nil, errors.New("the name of an origin root is printable ASCII")
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("origin root: %w", err)
	}
	der, err := sign(RoleOrigin, pkix.Name{CommonName: name}, &key.PublicKey, 0, nil, key)
	if err != nil {
		return nil, fmt.Errorf("origin root: %w", err)
	}
	return newOriginRoot(der, key)
}

func newOriginRoot(der []byte, key *ecdsa.PrivateKey) (*OriginRoot, error) {
	cert, err := ParseRoot(der)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("origin root: the private key is not the certificate's")
	}
	return &OriginRoot{CertDER: der, Cert: cert, key: key}, nil
}

// IssueIssuing certifies the issuing key of the HSM with this serial (CheckSerial).
func (r *OriginRoot) IssueIssuing(serial string, pub *ecdsa.PublicKey) (der []byte, err error) {
	if err := CheckSerial(serial); err != nil {
		return nil, err
	}
	return sign(RoleIssuing, subject(RoleIssuing, serial), pub, 0, r.Cert, r.key)
}

// NewIssuing makes the identity of a new HSM.
func (r *OriginRoot) NewIssuing(serial string) (*Issuing, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("issuing key: %w", err)
	}
	der, err := r.IssueIssuing(serial, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	return &Issuing{Key: key, CertDER: der, RootDER: r.CertDER, Serial: serial}, nil
}

// IssueStatic certifies the HSM's static key of this start. The counter must be
// higher than that of every start before, durably.
func (i *Issuing) IssueStatic(pub *ecdh.PublicKey, startCounter uint64) (der []byte, err error) {
	return i.issue(RoleStatic, pub, startCounter)
}

// IssueRPK certifies the static key of an orange key.
func (i *Issuing) IssueRPK(pub *ecdh.PublicKey) (der []byte, err error) {
	return i.issue(RoleRPK, pub, 0)
}

func (i *Issuing) issue(role Role, pub *ecdh.PublicKey, counter uint64) ([]byte, error) {
	parent, err := x509.ParseCertificate(i.CertDER)
	if err != nil {
		return nil, fmt.Errorf("issuing certificate: %w", err)
	}
	return sign(role, subject(role, i.Serial), pub, counter, parent, i.Key)
}

// Chain returns what the HSM sends of itself: static, issuing, root.
func (i *Issuing) Chain(static []byte) [][]byte { return [][]byte{static, i.CertDER, i.RootDER} }

// SPKI returns the issuing key's DER SubjectPublicKeyInfo.
func (i *Issuing) SPKI() ([]byte, error) { return x509.MarshalPKIXPublicKey(&i.Key.PublicKey) }

// Fingerprint returns the fingerprint of the issuing key: what PED keys list.
func (i *Issuing) Fingerprint() ([64]byte, error) {
	der, err := i.SPKI()
	return SPKIFingerprint(der), err
}

// sign issues a certificate; parent nil means by itself. What it made must pass
// the checks that everybody else applies.
func sign(role Role, name pkix.Name, pub any, counter uint64, parent *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("%s key: %w", role, err)
	}
	t, err := template(role, name, spki, counter)
	if err != nil {
		return nil, fmt.Errorf("%s certificate: %w", role, err)
	}
	var number [16]byte
	rand.Read(number[:])
	number[0] = number[0]&0x7f | 0x40
	t.SerialNumber = new(big.Int).SetBytes(number[:])
	if parent == nil {
		parent, t.AuthorityKeyId = t, t.SubjectKeyId
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("%s certificate: %w", role, err)
	}
	if _, err := parse(der, role); err != nil {
		return nil, err
	}
	return der, nil
}

// Marshal encodes an HSM's identity for its state file:
// version[1] = 1, then key (PKCS #8), issuing and root certificate, each with a
// 16-bit length. It contains the private key.
func (i *Issuing) Marshal() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		return nil, fmt.Errorf("issuing key: %w", err)
	}
	defer clear(key)
	return wire.NewWriter(7 + len(key) + len(i.CertDER) + len(i.RootDER)).
		U8(1).Var16(key).Var16(i.CertDER).Var16(i.RootDER).Bytes(), nil
}

// UnmarshalIssuing reads what Marshal wrote and checks that it fits together.
func UnmarshalIssuing(b []byte) (*Issuing, error) {
	r := wire.NewReader(b)
	if r.U8() != 1 {
		r.Fail()
	}
	keyDER, certDER, rootDER := r.Var16(1024), r.Var16(MaxCert), r.Var16(MaxCert)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("issuing key: %w", err)
	}
	key, err := parseKey(keyDER)
	if err != nil {
		return nil, fmt.Errorf("issuing key: %w", err)
	}
	root, err := parse(rootDER, RoleOrigin)
	if err != nil {
		return nil, err
	}
	cert, err := parse(certDER, RoleIssuing)
	if err != nil {
		return nil, err
	}
	if err := cert.signedBy(root, nil); err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(cert.key) {
		return nil, fmt.Errorf("%w: the private key is not the issuing certificate's", ErrChain)
	}
	return &Issuing{Key: key, CertDER: cert.Raw, RootDER: root.Raw, Serial: cert.serial}, nil
}

// parseKey reads a P-521 private key, PKCS #8.
func parseKey(der []byte) (*ecdsa.PrivateKey, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("not a PKCS #8 private key")
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P521() {
		return nil, errors.New("not a P-521 private key")
	}
	return key, nil
}
