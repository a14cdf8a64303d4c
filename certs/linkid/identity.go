package linkid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Identity is what a host shows to its peers: a certificate and its private key.
type Identity struct {
	CommonName string
	Cert       *x509.Certificate
	CertPath   string // where it was loaded from, or saved to
	KeyPath    string

	key *ecdsa.PrivateKey
}

// ErrPair means that a private key and a certificate are not of one identity.
var ErrPair = errors.New("the private key is not the certificate's: make a new pair with -regen")

// Generate makes a new identity. Its name has 1 to 64 letters, digits, dots,
// dashes and underscores, and begins with neither a dot nor a dash.
func Generate(cn string) (*Identity, error) {
	now := time.Now()
	return generate(cn, now.Add(-validBefore), now.AddDate(validYears, 0, 0))
}

func generate(cn string, from, until time.Time) (*Identity, error) {
	if err := checkName(cn); err != nil {
		return nil, fmt.Errorf("common name: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("TLS identity: %w", err)
	}
	der, err := newCertificate(cn, key, from, until)
	if err != nil {
		return nil, fmt.Errorf("TLS identity: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("common name %s can not stand in a certificate: take one like a host name", cn)
	}
	return newIdentity(cert, key)
}

func newIdentity(cert *x509.Certificate, key *ecdsa.PrivateKey) (*Identity, error) {
	if !p521(cert) {
		return nil, fmt.Errorf("certificate: %w", ErrKeyType)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, ErrPair
	}
	return &Identity{CommonName: CommonName(cert), Cert: cert, key: key}, nil
}

// Fingerprint is that of the certificate.
func (i *Identity) Fingerprint() string { return Fingerprint(i.Cert) }

// Problem says, in one line, why peers refuse this identity at this time; "" if
// they have no reason to.
func (i *Identity) Problem(now time.Time) string {
	switch {
	case now.After(i.Cert.NotAfter):
		return "the certificate of this host expired on " + day(i.Cert.NotAfter) + ": make a new one with -regen and register it at the peers"
	case now.Before(i.Cert.NotBefore):
		return "the certificate of this host is not valid before " + day(i.Cert.NotBefore) + ": check the clock"
	}
	return ""
}

// LogValue implements slog.LogValuer: the key is not logged.
func (i *Identity) LogValue() slog.Value {
	return slog.GroupValue(slog.String("name", i.CommonName), slog.String("fingerprint", i.Fingerprint()))
}

// String returns the common name.
func (i *Identity) String() string { return i.CommonName }

func (i *Identity) certificate() *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{i.Cert.Raw}, PrivateKey: i.key, Leaf: i.Cert}
}
