package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// Redacted is what a secret prints as, everywhere.
const Redacted = "REDACTED"

// Buffer is a fixed-size secret. It must not be copied by value. A nil *Buffer
// is an empty secret. Nothing frees it but Destroy: the garbage collector can
// not know who still holds a slice of it.
type Buffer struct {
	b    []byte
	free func([]byte)
	gone atomic.Bool // Destroy has begun
}

// New returns a zeroed secret of n bytes.
func New(n int) *Buffer {
	s := &Buffer{}
	s.b, s.free = alloc(n)
	return s
}

// From moves b into a new secret and wipes b.
func From(b []byte) *Buffer {
	s := New(len(b))
	copy(s.b, b)
	clear(b)
	return s
}

// Copy returns a secret with the same content as b, which is left as it is.
func Copy(b []byte) *Buffer {
	s := New(len(b))
	copy(s.b, b)
	return s
}

// Random returns a secret of n uniform bytes.
func Random(n int) *Buffer {
	s := New(n)
	rand.Read(s.b)
	return s
}

// Bytes returns the secret's memory: valid until Destroy.
func (s *Buffer) Bytes() []byte {
	if s == nil {
		return nil
	}
	return s.b
}

// Len returns the size in bytes.
func (s *Buffer) Len() int { return len(s.Bytes()) }

// Equal compares in constant time for equal lengths.
func (s *Buffer) Equal(t *Buffer) bool {
	return subtle.ConstantTimeCompare(s.Bytes(), t.Bytes()) == 1
}

// Wipe zeroes the secret; the buffer stays usable.
func (s *Buffer) Wipe() {
	if s != nil {
		clear(s.b)
	}
}

// Destroy wipes the secret, gives its memory back and makes it empty. Slices
// from Bytes must not be used any more. Only the first call does anything, also
// of several at the same time: pages that were given back must not be touched.
func (s *Buffer) Destroy() {
	if s == nil || s.gone.Swap(true) || s.b == nil {
		return
	}
	clear(s.b)
	s.free(s.b)
	s.b = nil
}

// Format implements fmt.Formatter: no verb shows a secret.
func (s *Buffer) Format(f fmt.State, _ rune) { fmt.Fprint(f, Redacted) }

// LogValue implements slog.LogValuer.
func (s *Buffer) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText implements encoding.TextMarshaler, and so JSON too.
func (s *Buffer) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
