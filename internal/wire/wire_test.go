package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	b := new(Writer).U8(1).U16(0x0203).U32(0x04050607).U64(8).Bool(true).
		Var8([]byte("ab")).Var16([]byte("cde")).Raw([]byte{9}).Bytes()
	r := NewReader(b)
	if r.U8() != 1 || r.U16() != 0x0203 || r.U32() != 0x04050607 || r.U64() != 8 || !r.Bool() ||
		r.Text8(2) != "ab" || !bytes.Equal(r.Var16(3), []byte("cde")) || r.U8() != 9 {
		t.Fatal("fields differ")
	}
	if err := r.Done(); err != nil {
		t.Fatal(err)
	}
}

func TestStrict(t *testing.T) {
	for name, f := range map[string]func() error{
		"short":     func() error { r := NewReader([]byte{1}); r.U16(); return r.Err() },
		"trailing":  func() error { r := NewReader([]byte{1, 2}); r.U8(); return r.Done() },
		"over cap":  func() error { r := NewReader([]byte{3, 1, 2, 3}); r.Var8(2); return r.Err() },
		"cut":       func() error { r := NewReader([]byte{0, 9, 1}); r.Var16(100); return r.Err() },
		"bool 2":    func() error { r := NewReader([]byte{2}); r.Bool(); return r.Err() },
		"not ascii": func() error { r := NewReader([]byte{1, 7}); r.Text8(9); return r.Err() },
		"sticky":    func() error { r := NewReader([]byte{1}); r.U16(); r.U8(); return r.Done() },
		"negative":  func() error { r := NewReader([]byte{1}); r.Bytes(-1); return r.Done() },
	} {
		if err := f(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}
