package kas

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"testing"
)

// TestSpecExamples holds the examples that docs/SPEC.md prints under
// "Primitives". They were computed by other implementations.
func TestSpecExamples(t *testing.T) {
	key := make([]byte, KeySize)
	for i := range key {
		key[i] = byte(i)
	}
	short, err := WrapKWP(key, []byte("openped"))
	if err != nil {
		t.Fatal(err)
	}
	long, err := WrapKWP(key, []byte("openped KWP example"))
	if err != nil {
		t.Fatal(err)
	}
	derived, err := OneStepKDF(sha512.New, bytes.Repeat([]byte{0x5a}, 66), []byte("openped"), 80)
	if err != nil {
		t.Fatal(err)
	}
	tag := HMACSHA512(key, MacData(LabelKC2V, []byte{1}, []byte{2}, []byte{3}, []byte{4}, []byte{5}))
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"KWP, one block":   {short, "0e19ea39124028fd66b68145a0634891"},
		"KWP":              {long, "d774a62a5cda3433954bdf3111f0d5a4478d643c2a80c2c4c4858ef89b603c95"},
		"key derivation":   {derived, "2156932b2bf4f1c089b2f7fa2250b6c29bb242102ef741dc146a5f2f17b2c0cc84884b1923b66ad01aed5ec21ffbe8fb4218275a387d02dd01185131d2f7a2532f859469403111c322b19fb26e641d84"},
		"key confirmation": {tag, "4dba851472a40329a00cb413f0e53afcdaadc434a7bf2aedef54f801ad1ba3ca20517761f74b0b3abca2c6945dfddc1d614b9f57ead5c89b9e8119da9986af23"},
	} {
		if hex.EncodeToString(c.got) != c.want {
			t.Errorf("%s: %x", name, c.got)
		}
	}
}
