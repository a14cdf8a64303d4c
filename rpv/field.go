package rpv

// GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1. No tables and no
// branches: neither time nor memory accesses depend on the operands.

// mul multiplies a and b.
func mul(a, b byte) byte {
	var p byte
	for range 8 {
		p ^= a & -(b & 1)
		a = a<<1 ^ 0x1b&-(a>>7)
		b >>= 1
	}
	return p
}

// inv returns the inverse of a, a^254, and 0 for 0.
func inv(a byte) byte {
	a2 := mul(a, a)
	a3 := mul(a2, a)
	a6 := mul(a3, a3)
	a12 := mul(a6, a6)
	a14 := mul(a12, a2)
	a15 := mul(a12, a3)
	a240 := a15
	for range 4 {
		a240 = mul(a240, a240)
	}
	return mul(a240, a14)
}

// mulAdd adds c times src to dst, bytewise.
func mulAdd(dst, src []byte, c byte) {
	for i, v := range src {
		dst[i] ^= mul(v, c)
	}
}
