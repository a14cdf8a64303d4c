package channel

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"

	"openped/internal/wire"
	"openped/protocol/kas"
)

// padTo is the unit of record plaintexts, in bytes: a length says nothing finer.
const padTo = 256

// MaxPayload is the longest payload of one record, in bytes.
const MaxPayload = MaxCiphertext - 4

// Limits end a session, per direction: what the keys may be used for. Zero
// means the default, which is also the most there is.
type Limits struct {
	Records uint64 // 2^32
	Bytes   uint64 // of ciphertext, 64 GiB
}

const (
	limitRecords = 1 << 32
	limitBytes   = 64 << 30
)

func (l Limits) effective() Limits {
	if l.Records == 0 || l.Records > limitRecords {
		l.Records = limitRecords
	}
	if l.Bytes == 0 || l.Bytes > limitBytes {
		l.Bytes = limitBytes
	}
	return l
}

// half is the protection of one direction. A record is
//
//	type[1] version[1] zero[2] seq[8] length[4] | ciphertext[length] | tag[64]
//
// with the plaintext payloadLength[4] payload, zeros up to a multiple of 256.
type half struct {
	ctr    *kas.CTR
	mac    hash.Hash // keyed; Reset before each use
	seq    uint64    // of the next record
	bytes  uint64    // of ciphertext so far
	limits Limits
	iv     [kas.IVSize]byte
	tag    [TagSize]byte
}

// newHalf keys one direction. The key slices are not kept.
func newHalf(dek, dmk []byte, limits Limits) (*half, error) {
	ctr, err := kas.NewCTR(dek)
	if err != nil {
		return nil, err
	}
	return &half{ctr: ctr, mac: kas.NewHMACSHA512(dmk), limits: limits.effective()}, nil
}

// room reports whether a record of a payload of n bytes is within the limits.
func (h *half) room(n int) bool {
	return h.seq < h.limits.Records && h.bytes+uint64(padded(n)) <= h.limits.Bytes
}

// worn reports whether a sixteenth of the limits, or less, is left.
func (h *half) worn() bool {
	l := h.limits
	return h.seq >= l.Records-l.Records/16 || h.bytes+padTo > l.Bytes-l.Bytes/16
}

// padded is the size of the plaintext of an n-byte payload.
func padded(n int) int { return (4 + n + padTo - 1) / padTo * padTo }

// seal appends the next record to dst. payload is at most MaxPayload bytes. If
// dst has room, the only allocation is the cipher state of the standard library.
func (h *half) seal(dst []byte, t Type, payload []byte) []byte {
	n := padded(len(payload))
	start := len(dst)
	total := HeaderSize + n + TagSize
	if cap(dst)-start < total {
		dst = append(make([]byte, 0, start+total), dst...)
	}
	dst = dst[:start+total]
	rec := dst[start:]
	rec[0], rec[1], rec[2], rec[3] = byte(t), Version, 0, 0
	binary.BigEndian.PutUint64(rec[4:], h.seq)
	binary.BigEndian.PutUint32(rec[12:], uint32(n))
	text := rec[HeaderSize : HeaderSize+n]
	binary.BigEndian.PutUint32(text, uint32(len(payload)))
	clear(text[4+copy(text[4:], payload):])
	h.crypt(text, text)
	copy(rec[HeaderSize+n:], h.sum(rec[:HeaderSize+n]))
	h.advance(n)
	return dst
}

// open checks rec, which must be exactly the next record, and appends its
// payload to dst. The tag is compared before anything is decrypted.
func (h *half) open(dst, rec []byte) (Type, []byte, error) {
	if len(rec) > MaxRecord {
		return 0, nil, wire.ErrMalformed
	}
	r := wire.NewReader(rec)
	t, seq, length := parseHeader(r)
	if r.Err() != nil || int64(length)+TagSize != int64(r.Len()) || length == 0 || length > MaxCiphertext || length%padTo != 0 {
		return 0, nil, wire.ErrMalformed
	}
	n := int(length)
	if seq != h.seq {
		return 0, nil, fmt.Errorf("%w: sequence number", ErrRecord)
	}
	if subtle.ConstantTimeCompare(h.sum(rec[:HeaderSize+n]), rec[HeaderSize+n:]) != 1 {
		return 0, nil, fmt.Errorf("%w: tag", ErrRecord)
	}
	start := len(dst)
	if cap(dst)-start < n {
		dst = append(make([]byte, 0, start+n), dst...)
	}
	text := dst[start : start+n]
	h.crypt(text, rec[HeaderSize:HeaderSize+n])
	size := binary.BigEndian.Uint32(text)
	// Only a peer with the keys gets here: this keeps encodings unique.
	if size > uint32(n-4) || padded(int(size)) != n || !zero(text[4+size:]) {
		clear(text)
		return 0, nil, fmt.Errorf("%w: padding", ErrRecord)
	}
	h.advance(n)
	copy(text, text[4:4+size])
	clear(text[size:])
	return t, dst[:start+int(size)], nil
}

func (h *half) crypt(dst, src []byte) {
	binary.BigEndian.PutUint64(h.iv[:8], h.seq) // IV = seq ‖ 0[8]
	h.ctr.XOR(dst, src, &h.iv)
}

// sum is valid until the next call.
func (h *half) sum(data []byte) []byte {
	h.mac.Reset()
	h.mac.Write(data)
	return h.mac.Sum(h.tag[:0])
}

func (h *half) advance(n int) { h.seq++; h.bytes += uint64(n) }

func zero(b []byte) bool {
	var x byte
	for _, c := range b {
		x |= c
	}
	return x == 0
}
