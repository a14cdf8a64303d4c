package kas

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// KeySize is the size of every AES key in bytes: there is one suite, AES-256.
const KeySize = 32

// IVSize is the size of an AES-CTR initial counter block in bytes.
const IVSize = aes.BlockSize

// ErrKeySize is returned for an AES key that is not KeySize bytes.
var ErrKeySize = errors.New("aes: key is not 256 bits")

// CTR is AES-256 in counter mode (SP 800-38A 6.5) under one key. It is safe for
// use by several goroutines; what no IV may be used for twice under one key is
// the caller's to keep.
type CTR struct{ block cipher.Block }

// NewCTR expands a key of KeySize bytes.
func NewCTR(key []byte) (*CTR, error) {
	if len(key) != KeySize {
		return nil, ErrKeySize
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, ErrKeySize
	}
	return &CTR{b}, nil
}

// XOR encrypts or decrypts src to dst, which is at least as long and overlaps
// src entirely or not at all. The whole 128-bit block counts up, from iv.
func (c *CTR) XOR(dst, src []byte, iv *[IVSize]byte) {
	cipher.NewCTR(c.block, iv[:]).XORKeyStream(dst, src)
}
