package kas

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"
)

var kek = bytes.Repeat([]byte{0x5a}, KeySize)

func TestKWPRoundTrip(t *testing.T) {
	lengths := []int{4095, 4096, 4097, MaxWrap - 1, MaxWrap}
	for n := 1; n <= 200; n++ {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		pt := make([]byte, n)
		rand.Read(pt)
		ct, err := WrapKWP(kek, pt)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if want := (n+7)/8*8 + 8; len(ct) != want {
			t.Fatalf("%d bytes: wrapped to %d, want %d", n, len(ct), want)
		}
		before := bytes.Clone(ct)
		got, err := UnwrapKWP(kek, ct)
		if err != nil || !bytes.Equal(got, pt) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if !bytes.Equal(ct, before) {
			t.Fatalf("%d bytes: unwrapping changed its input", n)
		}
	}
}

func TestKWPRefusals(t *testing.T) {
	for _, n := range []int{0, MaxWrap + 1} {
		if _, err := WrapKWP(kek, make([]byte, n)); !errors.Is(err, ErrWrapLength) {
			t.Errorf("wrap %d bytes: %v", n, err)
		}
	}
	for _, n := range []int{0, 16, 24, 31, 33} {
		if _, err := WrapKWP(make([]byte, n), []byte{1}); !errors.Is(err, ErrKeySize) {
			t.Errorf("wrap with a key of %d bytes: %v", n, err)
		}
		if _, err := UnwrapKWP(make([]byte, n), make([]byte, 16)); !errors.Is(err, ErrKeySize) {
			t.Errorf("unwrap with a key of %d bytes: %v", n, err)
		}
	}
	for _, n := range []int{0, 1, 7, 8, 15, 17, 23, 25, MaxWrap + 16} {
		if _, err := UnwrapKWP(kek, make([]byte, n)); !errors.Is(err, ErrUnwrap) {
			t.Errorf("unwrap %d bytes: %v", n, err)
		}
	}
}

// TestKWPTamper flips every bit of wrapped texts of one and of several blocks.
func TestKWPTamper(t *testing.T) {
	for _, n := range []int{1, 8, 9, 16, 64, 130} {
		ct, err := WrapKWP(kek, make([]byte, n))
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 8 * len(ct) {
			ct[bit/8] ^= 1 << (bit % 8)
			if _, err := UnwrapKWP(kek, ct); !errors.Is(err, ErrUnwrap) {
				t.Errorf("%d bytes, bit %d: %v", n, bit, err)
			}
			ct[bit/8] ^= 1 << (bit % 8)
		}
		if _, err := UnwrapKWP(bytes.Repeat([]byte{0x5b}, KeySize), ct); !errors.Is(err, ErrUnwrap) {
			t.Errorf("%d bytes: unwrapped under another key: %v", n, err)
		}
	}
}

// TestKWPForged makes texts that only one of the checks can refuse.
func TestKWPForged(t *testing.T) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(icv, length uint32, body []byte) []byte {
		s := binary.BigEndian.AppendUint32(nil, icv)
		s = append(binary.BigEndian.AppendUint32(s, length), body...)
		if len(s) == aes.BlockSize {
			block.Encrypt(s, s)
		} else {
			wrapW(block, s)
		}
		return s
	}
	const icv = 0xa65959a6
	ones := bytes.Repeat([]byte{0xff}, 24)
	padded := func(n, pad int) []byte { return append(bytes.Clone(ones[:n-pad]), make([]byte, pad)...) }
	for name, c := range map[string]struct {
		ct []byte
		ok bool
	}{
		"full, one block":        {forge(icv, 8, ones[:8]), true},
		"padded, one block":      {forge(icv, 1, padded(8, 7)), true},
		"full":                   {forge(icv, 24, ones), true},
		"padded":                 {forge(icv, 17, padded(24, 7)), true},
		"constant, one block":    {forge(icv^1, 8, ones[:8]), false},
		"constant":               {forge(icv^1<<31, 24, ones), false},
		"length 0, one block":    {forge(icv, 0, make([]byte, 8)), false},
		"length 9, one block":    {forge(icv, 9, ones[:8]), false},
		"a block of padding":     {forge(icv, 16, padded(24, 8)), false},
		"length too long":        {forge(icv, 25, ones), false},
		"length huge":            {forge(icv, 1<<31, ones), false},
		"length max":             {forge(icv, 1<<32-1, ones), false},
		"length 0":               {forge(icv, 0, make([]byte, 24)), false},
		"padding, one block":     {forge(icv, 1, append(padded(8, 7)[:7], 1)), false},
		"first byte of padding":  {forge(icv, 17, append(bytes.Clone(ones[:18]), make([]byte, 6)...)), false},
		"last byte of padding":   {forge(icv, 17, append(padded(24, 7)[:23], 0x80)), false},
		"only byte of padding":   {forge(icv, 23, ones), false},
		"data where padding was": {forge(icv, 18, padded(24, 7)), true},
	} {
		if _, err := UnwrapKWP(kek, c.ct); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzUnwrapKWP(f *testing.F) {
	for _, n := range []int{1, 8, 9, 66, 130} {
		ct, err := WrapKWP(kek, make([]byte, n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(ct)
		f.Add(ct[:len(ct)-8])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, ct []byte) {
		pt, err := UnwrapKWP(kek, ct)
		if err != nil {
			if !errors.Is(err, ErrUnwrap) || pt != nil {
				t.Fatalf("got %v, %x", err, pt)
			}
			return
		}
		again, err := WrapKWP(kek, pt)
		if err != nil || !bytes.Equal(again, ct) {
			t.Fatalf("one plaintext has two wrapped forms: %x", ct)
		}
	})
}
