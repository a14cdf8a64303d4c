package vectorset

import (
	"crypto/sha3"
	"math/bits"
)

// kmac is KMAC (SP 800-185) with a fixed output length, which option 3 of the
// one-step key derivation sets to the length of the whole output.
type kmac struct {
	shake  *sha3.SHAKE
	keyPad []byte
	size   int
}

func newKMAC(strength int, key, customization []byte, size int) *kmac {
	k := &kmac{size: size}
	if strength == 128 {
		k.shake = sha3.NewCSHAKE128([]byte("KMAC"), customization)
	} else {
		k.shake = sha3.NewCSHAKE256([]byte("KMAC"), customization)
	}
	rate := k.shake.BlockSize()
	if key == nil { // SP 800-56C 4.1: the default salt, what is left of two blocks
		key = make([]byte, rate-4)
	}
	k.keyPad = append([]byte{1, byte(rate)}, leftEncode(len(key)*8)...)
	k.keyPad = append(k.keyPad, key...)
	k.keyPad = append(k.keyPad, make([]byte, (rate-len(k.keyPad)%rate)%rate)...)
	k.Reset()
	return k
}

func (k *kmac) Reset() {
	k.shake.Reset()
	_, _ = k.shake.Write(k.keyPad)
}

func (k *kmac) Write(p []byte) (int, error) { return k.shake.Write(p) }
func (k *kmac) Size() int                   { return k.size }
func (k *kmac) BlockSize() int              { return k.shake.BlockSize() }

// Sum may be called once between resets: squeezing ends the absorbing.
func (k *kmac) Sum(b []byte) []byte {
	length := leftEncode(k.size * 8)
	_, _ = k.shake.Write(append(length[1:], length[0])) // right_encode
	out := make([]byte, k.size)
	_, _ = k.shake.Read(out)
	return append(b, out...)
}

func leftEncode(n int) []byte {
	size := max(1, (bits.Len(uint(n))+7)/8)
	out := []byte{byte(size)}
	for i := size - 1; i >= 0; i-- {
		out = append(out, byte(n>>(8*i)))
	}
	return out
}
