package kas

import (
	"encoding/binary"
	"errors"
	"hash"
)

// MaxDerived caps the output of OneStepKDF, in bytes. SP 800-56C allows far
// more; nothing in the channel derives more than a few hundred.
const MaxDerived = 1 << 16

// ErrKDFLength is returned for an output length of 0 or above MaxDerived.
var ErrKDFLength = errors.New("key derivation: output length out of range")

// OneStepKDF is the one-step key derivation of SP 800-56C Rev. 2 section 4.1:
// the first outLen bytes of H(1 ‖ z ‖ fixedInfo) ‖ H(2 ‖ z ‖ fixedInfo) ‖ …, the
// counter being 32 bits, big endian. newHash gives H: a hash (option 1), or an
// HMAC already keyed with the salt (option 2). The caller wipes the result.
func OneStepKDF(newHash func() hash.Hash, z, fixedInfo []byte, outLen int) ([]byte, error) {
	if outLen <= 0 || outLen > MaxDerived {
		return nil, ErrKDFLength
	}
	h := newHash()
	size := h.Size()
	reps := (outLen + size - 1) / size
	out := make([]byte, 0, reps*size)
	var counter [4]byte
	for i := 1; i <= reps; i++ {
		binary.BigEndian.PutUint32(counter[:], uint32(i))
		h.Reset()
		h.Write(counter[:])
		h.Write(z)
		h.Write(fixedInfo)
		out = h.Sum(out)
	}
	clear(out[outLen:])
	return out[:outLen:outLen], nil
}
