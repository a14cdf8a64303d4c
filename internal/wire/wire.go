package wire

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is the one error of every strict decoder: short input, trailing
// bytes, a length over its cap, a value outside its enumeration.
var ErrMalformed = errors.New("malformed data")

// Reader consumes a byte slice from the front. The zero value is empty.
type Reader struct {
	buf    []byte
	failed bool
}

// NewReader returns a Reader over b, which it aliases.
func NewReader(b []byte) *Reader { return &Reader{buf: b} }

// Fail marks the input as malformed, for checks that only the caller can make.
func (r *Reader) Fail() { r.failed = true; r.buf = nil }

// Bytes returns the next n bytes, aliasing the input, or nil on failure.
func (r *Reader) Bytes(n int) []byte {
	if r.failed || n < 0 || n > len(r.buf) {
		r.Fail()
		return nil
	}
	b := r.buf[:n:n]
	r.buf = r.buf[n:]
	return b
}

// Copy fills dst with the next len(dst) bytes.
func (r *Reader) Copy(dst []byte) { copy(dst, r.Bytes(len(dst))) }

// U8 reads one byte.
func (r *Reader) U8() uint8 {
	b := r.Bytes(1)
	if b == nil {
		return 0
	}
	return b[0]
}

// U16 reads a 16-bit big-endian integer.
func (r *Reader) U16() uint16 {
	b := r.Bytes(2)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

// U32 reads a 32-bit big-endian integer.
func (r *Reader) U32() uint32 {
	b := r.Bytes(4)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// U64 reads a 64-bit big-endian integer.
func (r *Reader) U64() uint64 {
	b := r.Bytes(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// Bool reads one byte that must be 0 or 1.
func (r *Reader) Bool() bool {
	v := r.U8()
	if v > 1 {
		r.Fail()
	}
	return v == 1
}

// Var8 reads an 8-bit length of at most max and that many bytes, aliased.
func (r *Reader) Var8(max int) []byte { return r.varBytes(int(r.U8()), max) }

// Var16 reads a 16-bit length of at most max and that many bytes, aliased.
func (r *Reader) Var16(max int) []byte { return r.varBytes(int(r.U16()), max) }

func (r *Reader) varBytes(n, max int) []byte {
	if n > max {
		r.Fail()
		return nil
	}
	return r.Bytes(n)
}

// Text8 reads an 8-bit length of at most max and that many bytes of printable
// ASCII: what a peer names itself may end on a screen or in a log.
func (r *Reader) Text8(max int) string {
	b := r.Var8(max)
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			r.Fail()
			return ""
		}
	}
	return string(b)
}

// Len returns the number of unread bytes.
func (r *Reader) Len() int { return len(r.buf) }

// Err returns ErrMalformed if any read failed.
func (r *Reader) Err() error {
	if r.failed {
		return ErrMalformed
	}
	return nil
}

// Done returns ErrMalformed if any read failed or bytes are left over.
func (r *Reader) Done() error {
	if r.failed || len(r.buf) != 0 {
		return ErrMalformed
	}
	return nil
}

// Writer appends fields to a byte slice. The zero value is ready to use.
type Writer struct{ buf []byte }

// NewWriter returns a Writer with room for n bytes.
func NewWriter(n int) *Writer { return &Writer{buf: make([]byte, 0, n)} }

// Raw appends b as it is.
func (w *Writer) Raw(b []byte) *Writer { w.buf = append(w.buf, b...); return w }

// U8 appends one byte.
func (w *Writer) U8(v uint8) *Writer { w.buf = append(w.buf, v); return w }

// U16 appends a 16-bit big-endian integer.
func (w *Writer) U16(v uint16) *Writer { w.buf = binary.BigEndian.AppendUint16(w.buf, v); return w }

// U32 appends a 32-bit big-endian integer.
func (w *Writer) U32(v uint32) *Writer { w.buf = binary.BigEndian.AppendUint32(w.buf, v); return w }

// U64 appends a 64-bit big-endian integer.
func (w *Writer) U64(v uint64) *Writer { w.buf = binary.BigEndian.AppendUint64(w.buf, v); return w }

// Bool appends 1 or 0.
func (w *Writer) Bool(v bool) *Writer {
	if v {
		return w.U8(1)
	}
	return w.U8(0)
}

// Var8 appends an 8-bit length and b. It panics if b is longer than 255 bytes:
// callers check what comes from outside.
func (w *Writer) Var8(b []byte) *Writer {
	if len(b) > 0xff {
		panic("wire: field over 255 bytes")
	}
	return w.U8(uint8(len(b))).Raw(b)
}

// Var16 appends a 16-bit length and b. It panics if b is longer than 65535 bytes.
func (w *Writer) Var16(b []byte) *Writer {
	if len(b) > 0xffff {
		panic("wire: field over 65535 bytes")
	}
	return w.U16(uint16(len(b))).Raw(b)
}

// Bytes returns what was written.
func (w *Writer) Bytes() []byte { return w.buf }
