package hsmapi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"openped/internal/secret"
	"openped/internal/wire"
)

// ErrCritical is the error for a message with an unknown critical field.
var ErrCritical = errors.New("unknown critical field")

// Field is one field of a message.
//
//	tag         2
//	length      2   ≤ the cap of the tag
//	value       n
type Field struct {
	Tag   Tag
	Value []byte
}

// Fields are a message's fields in their order. The zero value is empty. No
// print or log shows a secret field.
type Fields []Field

// The Add methods append a field and return the list, for chaining. They panic
// on a tag of another kind: that is a slip in the caller's code.

// AddText appends a text. Characters that are not printable ASCII become '?',
// and what is over the tag's cap is cut: no text makes a message unsendable.
func (f Fields) AddText(t Tag, s string) Fields {
	i := mustKind(t, kindText)
	b := make([]byte, 0, min(len(s), i.max))
	for _, c := range s {
		if len(b) == i.max {
			break
		}
		if c < 0x20 || c > 0x7e {
			c = '?'
		}
		b = append(b, byte(c))
	}
	return append(f, Field{t, b})
}

// AddSecret appends a copy of a secret; Wipe clears it. It panics if the secret
// is over the tag's cap.
func (f Fields) AddSecret(t Tag, s *secret.Buffer) Fields {
	if i := mustKind(t, kindSecret); s.Len() > i.max {
		panic("hsmapi: secret over its cap")
	}
	return append(f, Field{t, append([]byte(nil), s.Bytes()...)})
}

// AddBool appends 1 or 0.
func (f Fields) AddBool(t Tag, v bool) Fields {
	mustKind(t, kindBool)
	return append(f, Field{t, new(wire.Writer).Bool(v).Bytes()})
}

// AddU8 appends an 8-bit number.
func (f Fields) AddU8(t Tag, v uint8) Fields {
	mustKind(t, kindU8)
	return append(f, Field{t, []byte{v}})
}

// AddU16 appends a 16-bit number.
func (f Fields) AddU16(t Tag, v uint16) Fields {
	mustKind(t, kindU16)
	return append(f, Field{t, binary.BigEndian.AppendUint16(nil, v)})
}

// AddU32 appends a 32-bit number.
func (f Fields) AddU32(t Tag, v uint32) Fields {
	mustKind(t, kindU32)
	return append(f, Field{t, binary.BigEndian.AppendUint32(nil, v)})
}

// AddU64 appends a 64-bit number.
func (f Fields) AddU64(t Tag, v uint64) Fields {
	mustKind(t, kindU64)
	return append(f, Field{t, binary.BigEndian.AppendUint64(nil, v)})
}

func mustKind(t Tag, k kind) tagInfo {
	i := tags[t]
	if i.kind != k {
		panic("hsmapi: field " + t.String() + " is of another kind")
	}
	return i
}

// Get returns the first value of a tag and whether there is one.
func (f Fields) Get(t Tag) ([]byte, bool) {
	for _, x := range f {
		if x.Tag == t {
			return x.Value, true
		}
	}
	return nil, false
}

// Has reports whether the tag is there.
func (f Fields) Has(t Tag) bool { _, ok := f.Get(t); return ok }

// The getters below return the first value of a tag, or zero and false if the
// tag is missing or of another kind.

// Text returns a text.
func (f Fields) Text(t Tag) (string, bool) {
	v, ok := f.get(t, kindText)
	return string(v), ok
}

// Texts returns every value of a text tag.
func (f Fields) Texts(t Tag) (all []string) {
	for _, x := range f {
		if x.Tag == t && tags[t].kind == kindText {
			all = append(all, string(x.Value))
		}
	}
	return all
}

// U8s returns every value of an 8-bit tag.
func (f Fields) U8s(t Tag) (all []uint8) {
	for _, x := range f {
		if x.Tag == t && tags[t].kind == kindU8 && len(x.Value) == 1 {
			all = append(all, x.Value[0])
		}
	}
	return all
}

// Bool returns a yes or no; a missing one is false.
func (f Fields) Bool(t Tag) bool {
	v, ok := f.get(t, kindBool)
	return ok && v[0] == 1
}

// U8 returns an 8-bit number.
func (f Fields) U8(t Tag) (uint8, bool) {
	if v, ok := f.get(t, kindU8); ok {
		return v[0], true
	}
	return 0, false
}

// U16 returns a 16-bit number.
func (f Fields) U16(t Tag) (uint16, bool) {
	if v, ok := f.get(t, kindU16); ok {
		return binary.BigEndian.Uint16(v), true
	}
	return 0, false
}

// U32 returns a 32-bit number.
func (f Fields) U32(t Tag) (uint32, bool) {
	if v, ok := f.get(t, kindU32); ok {
		return binary.BigEndian.Uint32(v), true
	}
	return 0, false
}

// U64 returns a 64-bit number.
func (f Fields) U64(t Tag) (uint64, bool) {
	if v, ok := f.get(t, kindU64); ok {
		return binary.BigEndian.Uint64(v), true
	}
	return 0, false
}

func (f Fields) get(t Tag, k kind) ([]byte, bool) {
	v, ok := f.Get(t)
	if i := tags[t]; !ok || i.kind != k || !i.accepts(v) {
		return nil, false
	}
	return v, true
}

// TakeSecret moves a secret out of the fields, or returns nil without one. The
// caller destroys it.
func (f Fields) TakeSecret(t Tag) *secret.Buffer {
	v, ok := f.get(t, kindSecret)
	if !ok {
		return nil
	}
	return secret.From(v)
}

// Groups splits a list into its records: each begins with the tag first. What
// stands before the first one is left out.
func (f Fields) Groups(first Tag) (groups []Fields) {
	for _, x := range f {
		if x.Tag == first {
			groups = append(groups, nil)
		}
		if n := len(groups); n > 0 {
			groups[n-1] = append(groups[n-1], x)
		}
	}
	return groups
}

// Wipe clears the values of secret fields.
func (f Fields) Wipe() {
	for _, x := range f {
		if tags[x.Tag].kind == kindSecret {
			clear(x.Value)
		}
	}
}

// String shows the fields for people, a secret as REDACTED.
func (f Fields) String() string {
	var b strings.Builder
	for n, x := range f {
		if n > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(x.String())
	}
	return b.String()
}

// String shows one field for people, a secret as REDACTED, and of an unknown one its size.
func (x Field) String() string {
	switch i, ok := tags[x.Tag]; {
	case !ok || i.kind != kindSecret && !i.accepts(x.Value):
		return fmt.Sprintf("%v=(%d bytes)", x.Tag, len(x.Value))
	case i.kind == kindSecret:
		return fmt.Sprintf("%v=%s", x.Tag, secret.Redacted)
	case i.kind == kindText:
		return fmt.Sprintf("%v=%q", x.Tag, x.Value)
	}
	var v uint64
	for _, c := range x.Value {
		v = v<<8 | uint64(c)
	}
	return fmt.Sprintf("%v=%d", x.Tag, v)
}

// Format implements fmt.Formatter: every verb prints String.
func (f Fields) Format(s fmt.State, _ rune) { fmt.Fprint(s, f.String()) }

// Format implements fmt.Formatter: every verb prints String.
func (x Field) Format(s fmt.State, _ rune) { fmt.Fprint(s, x.String()) }

// MarshalText implements encoding.TextMarshaler, which JSON and slog's handlers
// use: this package may not import a logger to say it in slog's own way.
func (f Fields) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// MarshalText implements encoding.TextMarshaler: see Fields.
func (x Field) MarshalText() ([]byte, error) { return []byte(x.String()), nil }
