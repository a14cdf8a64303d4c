package kas

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// MaxWrap caps what AES-KWP takes here, in bytes of plaintext. SP 800-38F
// allows 2^32-1; secrets and their labels are a few hundred.
const MaxWrap = 1 << 16

// ErrWrapLength is returned by WrapKWP for a plaintext of 0 or more than MaxWrap bytes.
var ErrWrapLength = errors.New("aes-kwp: plaintext length out of range")

// ErrUnwrap is UnwrapKWP's one error for whatever was wrong with the input.
var ErrUnwrap = errors.New("aes-kwp: unwrap failed")

const semiblock = 8

// icv2 is the constant that starts every wrapped text (SP 800-38F 6.3).
var icv2 = [4]byte{0xa6, 0x59, 0x59, 0xa6}

// WrapKWP is KWP-AE of SP 800-38F 6.3 with a 32-byte key: plaintext of 1 to
// MaxWrap bytes to a ciphertext of 8·⌈n/8⌉+8 bytes.
func WrapKWP(kek, plaintext []byte) ([]byte, error) {
	if len(plaintext) == 0 || len(plaintext) > MaxWrap {
		return nil, ErrWrapLength
	}
	block, err := kwpCipher(kek)
	if err != nil {
		return nil, err
	}
	s := make([]byte, semiblock+(len(plaintext)+semiblock-1)/semiblock*semiblock)
	copy(s, icv2[:])
	binary.BigEndian.PutUint32(s[4:], uint32(len(plaintext)))
	copy(s[semiblock:], plaintext)
	if len(s) == aes.BlockSize {
		block.Encrypt(s, s)
		return s, nil
	}
	wrapW(block, s)
	return s, nil
}

// UnwrapKWP is KWP-AD of SP 800-38F 6.3 with a 32-byte key. It returns ErrUnwrap
// for any input that WrapKWP did not make under kek; which check failed does
// not show in the error or in the time taken. The caller wipes the result.
func UnwrapKWP(kek, ciphertext []byte) ([]byte, error) {
	block, err := kwpCipher(kek)
	if err != nil {
		return nil, err
	}
	n := len(ciphertext)
	if n < aes.BlockSize || n > semiblock+MaxWrap || n%semiblock != 0 {
		return nil, ErrUnwrap
	}
	s := append([]byte(nil), ciphertext...)
	if n == aes.BlockSize {
		block.Decrypt(s, s)
	} else {
		unwrapW(block, s)
	}

	ok := subtle.ConstantTimeCompare(s[:4], icv2[:])
	// The padding is what the length leaves of the last semiblock: 0 to 7 bytes.
	// Out of range wraps to a large number, whose every bit above 2 must be 0.
	pad := uint32(n-semiblock) - binary.BigEndian.Uint32(s[4:])
	ok &= subtle.ConstantTimeEq(int32(pad>>3), 0)
	pad &= 7
	var rest byte
	for i := 1; i < semiblock; i++ {
		isPad := subtle.ConstantTimeLessOrEq(i, int(pad))
		rest |= s[n-i] & byte(-isPad)
	}
	ok &= subtle.ConstantTimeByteEq(rest, 0)
	if ok != 1 {
		clear(s)
		return nil, ErrUnwrap
	}
	end := n - int(pad)
	return s[semiblock:end:end], nil
}

func kwpCipher(kek []byte) (cipher.Block, error) {
	if len(kek) != KeySize {
		return nil, ErrKeySize
	}
	return aes.NewCipher(kek)
}

// wrapW is the wrapping function W of SP 800-38F 6.1, in place: s holds at
// least three semiblocks. A is the first of them, R the others.
func wrapW(block cipher.Block, s []byte) {
	b := make([]byte, aes.BlockSize)
	defer clear(b)
	copy(b, s[:semiblock])
	t := uint64(0)
	for range 6 {
		for i := semiblock; i < len(s); i += semiblock {
			t++
			copy(b[semiblock:], s[i:i+semiblock])
			block.Encrypt(b, b)
			binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(b)^t)
			copy(s[i:], b[semiblock:])
		}
	}
	copy(s, b[:semiblock])
}

// unwrapW is the inverse of wrapW.
func unwrapW(block cipher.Block, s []byte) {
	b := make([]byte, aes.BlockSize)
	defer clear(b)
	copy(b, s[:semiblock])
	t := uint64(6 * (len(s)/semiblock - 1))
	for range 6 {
		for i := len(s) - semiblock; i >= semiblock; i -= semiblock {
			binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(b)^t)
			copy(b[semiblock:], s[i:i+semiblock])
			block.Decrypt(b, b)
			copy(s[i:], b[semiblock:])
			t--
		}
	}
	copy(s, b[:semiblock])
}
