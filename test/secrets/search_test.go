package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// secret is one thing to look for.
type secret struct {
	name  string
	value []byte
}

// digits reports whether a secret is one that people type.
func (s secret) digits() bool {
	return !slices.ContainsFunc(s.value, func(b byte) bool { return b < '0' || b > '9' })
}

// part is how much of a secret of bytes counts as found: any sixteenth byte on,
// sixteen in a row.
const part = 16

// forms returns how a secret may lie about: as it is, as text in the ways that
// programs and people print bytes, digits also by their values.
func (s secret) forms() [][]byte {
	var out [][]byte
	if s.digits() {
		values := bytes.Clone(s.value)
		for i := range values {
			values[i] -= '0'
		}
		var wide []byte
		for _, u := range utf16.Encode([]rune(string(s.value))) {
			wide = binary.LittleEndian.AppendUint16(wide, u)
		}
		out = append(out, s.value, values, wide)
	} else {
		for i := 0; i+part <= len(s.value); i += part {
			out = append(out, s.value[i:i+part])
		}
	}
	head := s.value[:min(len(s.value), part)]
	out = append(out, []byte(hex.EncodeToString(head)), []byte(strings.ToUpper(hex.EncodeToString(head))))
	for skip := range 3 { // base64 has three faces, by what stands before
		whole := head[skip : skip+(len(head)-skip)/3*3]
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			out = append(out, []byte(e.EncodeToString(whole)))
		}
	}
	printed := strings.Trim(fmt.Sprint(head), "[]") // as a slice of bytes is printed
	out = append(out, []byte(printed), []byte(strings.ReplaceAll(printed, " ", ",")), []byte(strings.ReplaceAll(printed, " ", ", ")))
	return slices.DeleteFunc(out, func(f []byte) bool { return len(f) < 8 || len(bytes.Trim(f, "\x00")) == 0 })
}

// finder looks for many secrets at once.
type finder struct {
	begins  [1 << 16]bool // the first two bytes of some form
	byStart map[uint32][]form
}

type form struct {
	bytes []byte
	name  string
}

func newFinder(list []secret) *finder {
	f := &finder{byStart: map[uint32][]form{}}
	for _, s := range list {
		for _, b := range s.forms() {
			f.begins[binary.LittleEndian.Uint16(b)] = true
			k := binary.LittleEndian.Uint32(b)
			f.byStart[k] = append(f.byStart[k], form{b, s.name})
		}
	}
	return f
}

// in returns the names of the secrets that are in any of the pieces, sorted.
func (f *finder) in(pieces ...[]byte) []string {
	found := map[string]bool{}
	for _, p := range pieces {
		for i := 0; i+4 <= len(p); i++ {
			if !f.begins[binary.LittleEndian.Uint16(p[i:])] {
				continue
			}
			for _, c := range f.byStart[binary.LittleEndian.Uint32(p[i:])] {
				if !found[c.name] && bytes.HasPrefix(p[i:], c.bytes) {
					found[c.name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// TestFinder: what is hidden in the ways that forms knows is found, and nothing
// else.
func TestFinder(t *testing.T) {
	key := make([]byte, 64)
	for i := range key {
		key[i] = byte(i*37 + 11)
	}
	pin := secret{"pin", []byte("3141592653589793")}
	f := newFinder([]secret{pin, {"key", key}})
	noise := bytes.Repeat([]byte("The quick brown fox 0123456789. "), 1000)
	for name, c := range map[string]struct {
		hidden []byte
		want   string
	}{
		"nothing":                  {nil, "[]"},
		"half a PIN":               {pin.value[:8], "[]"},
		"eight bytes of a key":     {key[:8], "[]"},
		"the PIN":                  {pin.value, "[pin]"},
		"the PIN's digits":         {[]byte{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3}, "[pin]"},
		"the PIN as UTF-16":        {[]byte("3\x001\x004\x001\x005\x009\x002\x006\x005\x003\x005\x008\x009\x007\x009\x003\x00"), "[pin]"},
		"the PIN, printed":         {fmt.Append(nil, pin.value), "[pin]"},
		"the PIN in base64":        {[]byte(base64.StdEncoding.EncodeToString(pin.value)), "[pin]"},
		"the key":                  {key, "[key]"},
		"the end of the key":       {key[48:], "[key]"},
		"the key in hex":           {fmt.Appendf(nil, "%x", key), "[key]"},
		"the key in HEX":           {fmt.Appendf(nil, "%X", key), "[key]"},
		"the key in base64":        {[]byte(base64.StdEncoding.EncodeToString(key)), "[key]"},
		"the key in base64, +1":    {[]byte(base64.StdEncoding.EncodeToString(append([]byte("x"), key...))), "[key]"},
		"the key in base64, +2":    {[]byte(base64.URLEncoding.EncodeToString(append([]byte("xy"), key...))), "[key]"},
		"the key, printed":         {fmt.Append(nil, key), "[key]"},
		"the key as a JSON array":  {[]byte(strings.ReplaceAll(fmt.Sprint(key), " ", ",")), "[key]"},
		"both, one at the far end": {append(bytes.Clone(key), pin.value...), "[key pin]"},
	} {
		if got := fmt.Sprint(f.in(noise, append(bytes.Clone(noise), c.hidden...))); got != c.want {
			t.Errorf("%s: found %s, want %s", name, got, c.want)
		}
	}
}
