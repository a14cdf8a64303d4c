package linkid

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// A certificate is valid from two days before it was made, so that a peer whose
// clock is a day behind takes it, for ten years.
const (
	validBefore = 48 * time.Hour
	validYears  = 10
)

// What a certificate file is refused for.
var (
	ErrKeyType    = errors.New("its key is not a P-521 key")
	ErrNotSelf    = errors.New("it was issued by somebody else: a certificate that signs itself is wanted")
	ErrExpired    = errors.New("it has expired")
	ErrExtensions = errors.New("it has a critical extension that is not known here")
)

// newCertificate makes a certificate that signs itself, DER.
func newCertificate(cn string, key *ecdsa.PrivateKey, from, until time.Time) ([]byte, error) {
	var number [16]byte
	rand.Read(number[:])
	number[0] = number[0]&0x7f | 0x40
	t := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(number[:]),
		Subject:               pkix.Name{CommonName: cn},
		DNSNames:              []string{cn},
		NotBefore:             from.UTC().Truncate(time.Second),
		NotAfter:              until.UTC().Truncate(time.Second),
		SignatureAlgorithm:    x509.ECDSAWithSHA512,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	return x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
}

// selfSigned reports whether nobody else issued c.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// p521 reports whether the key of c is of the one kind that is used here.
func p521(c *x509.Certificate) bool {
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	return ok && key.Curve == elliptic.P521()
}

// check says why c can not be registered at this time. One that is not valid yet
// can: the clocks of two hosts differ.
func check(c *x509.Certificate, now time.Time) error {
	switch {
	case !p521(c):
		return ErrKeyType
	case len(c.UnhandledCriticalExtensions) > 0:
		return ErrExtensions
	case !selfSigned(c):
		return ErrNotSelf
	case now.After(c.NotAfter):
		return fmt.Errorf("%w on %s", ErrExpired, day(c.NotAfter))
	}
	return nil
}

// Fingerprint returns the SHA-256 of a certificate as other tools print it, for
// people to compare.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// CommonName returns whom a certificate names, fit to be shown: it is whatever
// its maker wrote.
func CommonName(c *x509.Certificate) string {
	const longest = 64
	name := c.Subject.CommonName
	if len(name) > longest {
		name = name[:longest]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }
