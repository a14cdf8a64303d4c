package certs

import (
	"crypto/ecdh"
	"crypto/sha512"
	"crypto/x509"
)

// MaxSerial is the largest length of an HSM serial in bytes.
const MaxSerial = 32

// CheckSerial returns ErrSerial unless s is 1 to 32 ASCII letters, digits and '-'.
func CheckSerial(s string) error {
	if s == "" || len(s) > MaxSerial {
		return ErrSerial
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' {
			return ErrSerial
		}
	}
	return nil
}

// SPKIFingerprint returns SHA-512 of a DER SubjectPublicKeyInfo.
func SPKIFingerprint(spkiDER []byte) [64]byte { return sha512.Sum512(spkiDER) }

// IDOf returns the channel's ID of a static public key: the fingerprint of its
// DER SubjectPublicKeyInfo.
func IDOf(pub *ecdh.PublicKey) [64]byte { return SPKIFingerprint(SPKI(pub)) }

// SPKI returns the DER SubjectPublicKeyInfo of a P-521 public key, 158 bytes.
func SPKI(pub *ecdh.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic("certs: " + err.Error()) // not for a key that crypto/ecdh made
	}
	return der
}

// keyID is the profile's key identifier: the first 20 bytes of the fingerprint.
func keyID(spki []byte) []byte {
	fp := SPKIFingerprint(spki)
	return fp[:20]
}
