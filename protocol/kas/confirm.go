package kas

import (
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"hash"
)

// Labels of MacData (SP 800-56A 5.9.1.1): which party provides the tag, and
// whether only one does (1) or both do (2).
const (
	LabelKC1U = "KC_1_U"
	LabelKC1V = "KC_1_V"
	LabelKC2U = "KC_2_U"
	LabelKC2V = "KC_2_V"
)

// HMACSize is the size of an HMAC-SHA-512 tag in bytes.
const HMACSize = sha512.Size

// ErrTagLength is returned by MacTag for a length that the hash does not have.
var ErrTagLength = errors.New("key confirmation: tag length out of range")

// MacData is what a key-confirmation tag is computed over (SP 800-56A 5.9.1.1):
// label ‖ idProvider ‖ idRecipient ‖ ephProvider ‖ ephRecipient ‖ text, without
// separators. An ephemeral public key is given as x ‖ y (see EphemeralData); a
// party without one gives nil or, in schemes that call for it, its nonce.
func MacData(label string, idProvider, idRecipient, ephProvider, ephRecipient, text []byte) []byte {
	d := make([]byte, 0, len(label)+len(idProvider)+len(idRecipient)+len(ephProvider)+len(ephRecipient)+len(text))
	d = append(d, label...)
	d = append(d, idProvider...)
	d = append(d, idRecipient...)
	d = append(d, ephProvider...)
	d = append(d, ephRecipient...)
	return append(d, text...)
}

// EphemeralData is a public key as MacData takes it: x ‖ y, which is the
// uncompressed SEC 1 encoding without its first byte. It aliases sec1.
func EphemeralData(sec1 []byte) []byte {
	if len(sec1) == 0 {
		return nil
	}
	return sec1[1:]
}

// MacTag is the first tagLen bytes of HMAC(key, data). tagLen is at least 8
// (SP 800-56A 5.9.3) and at most the hash's size.
func MacTag(newHash func() hash.Hash, key, data []byte, tagLen int) ([]byte, error) {
	m := hmac.New(newHash, key)
	if tagLen < 8 || tagLen > m.Size() {
		return nil, ErrTagLength
	}
	m.Write(data)
	return m.Sum(nil)[:tagLen:tagLen], nil
}

// VerifyTag reports, in constant time, whether tag is the tagLen-byte MacTag.
func VerifyTag(newHash func() hash.Hash, key, data, tag []byte, tagLen int) bool {
	want, err := MacTag(newHash, key, data, tagLen)
	return err == nil && subtle.ConstantTimeCompare(want, tag) == 1
}

// NewHMACSHA512 returns a reusable HMAC-SHA-512 (FIPS 198-1); Reset keeps the key.
func NewHMACSHA512(key []byte) hash.Hash { return hmac.New(sha512.New, key) }

// HMACSHA512 is HMAC-SHA-512 over the concatenated parts.
func HMACSHA512(key []byte, parts ...[]byte) []byte {
	m := NewHMACSHA512(key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}
