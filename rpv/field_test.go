package rpv

import "testing"

// refMul is multiplication as the schoolbook has it: carry-less product, then
// division by 0x11b.
func refMul(a, b byte) byte {
	var p uint16
	for i := range 8 {
		if b>>i&1 == 1 {
			p ^= uint16(a) << i
		}
	}
	for i := 15; i >= 8; i-- {
		if p>>i&1 == 1 {
			p ^= 0x11b << (i - 8)
		}
	}
	return byte(p)
}

func TestFieldExhaustive(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			if got, want := mul(byte(a), byte(b)), refMul(byte(a), byte(b)); got != want {
				t.Fatalf("%#x · %#x = %#x, want %#x", a, b, got, want)
			}
		}
		want := byte(0)
		for b := range 256 {
			if refMul(byte(a), byte(b)) == 1 {
				want = byte(b)
			}
		}
		if got := inv(byte(a)); got != want {
			t.Fatalf("1/%#x = %#x, want %#x", a, got, want)
		}
	}
	// FIPS 197, 4.2.
	if mul(0x57, 0x83) != 0xc1 || mul(0x57, 0x13) != 0xfe {
		t.Fatal("not the field of FIPS 197")
	}
}

func TestMulAdd(t *testing.T) {
	dst, src := []byte{1, 2, 3}, []byte{0x57, 0, 0xff}
	mulAdd(dst, src, 0x83)
	for i, want := range []byte{1 ^ 0xc1, 2, 3 ^ refMul(0xff, 0x83)} {
		if dst[i] != want {
			t.Fatalf("byte %d is %#x, want %#x", i, dst[i], want)
		}
	}
}
