package kas

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"testing"
)

func newKey(t testing.TB, c ecdh.Curve) *ecdh.PrivateKey {
	t.Helper()
	k, err := c.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSchemesAgree(t *testing.T) {
	c := ecdh.P521()
	eu, su, ev, sv := newKey(t, c), newKey(t, c), newKey(t, c), newKey(t, c)
	for name, both := range map[string]func() (u, v []byte, eu, ev error){
		"fullUnified": func() (u, v []byte, e1, e2 error) {
			u, e1 = FullUnified(eu, su, ev.PublicKey(), sv.PublicKey())
			v, e2 = FullUnified(ev, sv, eu.PublicKey(), su.PublicKey())
			return
		},
		"onePassDh": func() (u, v []byte, e1, e2 error) {
			u, e1 = OnePassDHU(eu, sv.PublicKey())
			v, e2 = OnePassDHV(sv, eu.PublicKey())
			return
		},
		"staticUnified": func() (u, v []byte, e1, e2 error) {
			u, e1 = StaticUnified(su, sv.PublicKey())
			v, e2 = StaticUnified(sv, su.PublicKey())
			return
		},
	} {
		u, v, e1, e2 := both()
		if e1 != nil || e2 != nil || !bytes.Equal(u, v) || len(u)%66 != 0 || len(u) == 0 {
			t.Errorf("%s: %x %x %v %v", name, u, v, e1, e2)
		}
	}

	z, err := FullUnified(eu, su, ev.PublicKey(), sv.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	ze, _ := DH(eu, ev.PublicKey())
	zs, _ := DH(su, sv.PublicKey())
	if !bytes.Equal(z, FullUnifiedZ(ze, zs)) || !bytes.Equal(z[:66], ze) || !bytes.Equal(z[66:], zs) {
		t.Error("Z is not Ze ‖ Zs")
	}
	crossed, err := FullUnified(su, eu, ev.PublicKey(), sv.PublicKey())
	if err != nil || bytes.Equal(z, crossed) {
		t.Errorf("ephemeral and static keys are interchangeable (%v)", err)
	}
}

func TestSchemesRefuse(t *testing.T) {
	e, s := newKey(t, ecdh.P521()), newKey(t, ecdh.P521())
	other := newKey(t, ecdh.P256()).PublicKey()
	if z, err := FullUnified(e, s, other, s.PublicKey()); err == nil || z != nil {
		t.Error("ephemeral key of another curve taken")
	}
	if z, err := FullUnified(e, s, e.PublicKey(), other); err == nil || z != nil {
		t.Error("static key of another curve taken")
	}
}

func TestOneStepKDF(t *testing.T) {
	z, info := []byte("shared"), []byte("info")
	for _, newHash := range []func() hash.Hash{sha256.New, sha512.New, func() hash.Hash { return hmac.New(sha256.New, []byte("salt")) }} {
		size := newHash().Size()
		var want []byte
		for i := uint32(1); len(want) < 400; i++ {
			h := newHash()
			h.Write(binary.BigEndian.AppendUint32(nil, i))
			h.Write(z)
			h.Write(info)
			want = h.Sum(want)
		}
		for _, n := range []int{1, size - 1, size, size + 1, 3 * size, 320} {
			got, err := OneStepKDF(newHash, z, info, n)
			if err != nil || !bytes.Equal(got, want[:n]) || cap(got) != n {
				t.Errorf("%d of %d: %v", n, size, err)
			}
		}
	}
	for _, n := range []int{-1, 0, MaxDerived + 1} {
		if _, err := OneStepKDF(sha512.New, z, info, n); !errors.Is(err, ErrKDFLength) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if out, err := OneStepKDF(sha512.New, z, info, MaxDerived); err != nil || len(out) != MaxDerived {
		t.Errorf("longest: %v", err)
	}
}

func TestMacData(t *testing.T) {
	got := MacData(LabelKC2U, []byte("P"), []byte("R"), EphemeralData([]byte{4, 1, 2}), EphemeralData(nil), []byte("text"))
	if want := "KC_2_UPR\x01\x02text"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	seen := map[string]bool{}
	for _, l := range []string{LabelKC1U, LabelKC1V, LabelKC2U, LabelKC2V} {
		if len(l) != 6 || seen[l] {
			t.Errorf("label %q", l)
		}
		seen[l] = true
	}
}

func TestMacTag(t *testing.T) {
	key, data := []byte("key"), []byte("data")
	full := HMACSHA512(key, data)
	for _, n := range []int{8, 16, 63, 64} {
		tag, err := MacTag(sha512.New, key, data, n)
		if err != nil || !bytes.Equal(tag, full[:n]) {
			t.Fatalf("%d: %v", n, err)
		}
		if !VerifyTag(sha512.New, key, data, tag, n) {
			t.Errorf("%d: right tag refused", n)
		}
		for i := range tag {
			tag[i] ^= 0x80
			if VerifyTag(sha512.New, key, data, tag, n) {
				t.Errorf("%d: wrong byte %d taken", n, i)
			}
			tag[i] ^= 0x80
		}
		// Whoever sends the tag must not choose its length.
		if VerifyTag(sha512.New, key, data, tag[:n-1], n) || VerifyTag(sha512.New, key, data, append(tag, 0), n) || VerifyTag(sha512.New, key, data, nil, n) {
			t.Errorf("%d: tag of another length taken", n)
		}
	}
	for _, n := range []int{-1, 0, 7, 65} {
		if _, err := MacTag(sha512.New, key, data, n); !errors.Is(err, ErrTagLength) {
			t.Errorf("%d: %v", n, err)
		}
		if n >= 0 && n <= 64 && VerifyTag(sha512.New, key, data, full[:n], n) {
			t.Errorf("%d: verified", n)
		}
	}
}

// TestHMACSHA512 is test case 2 of RFC 4231.
func TestHMACSHA512(t *testing.T) {
	got := hex.EncodeToString(HMACSHA512([]byte("Jefe"), []byte("what do ya want "), []byte("for nothing?")))
	if got != "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" {
		t.Errorf("got %s", got)
	}
	m := NewHMACSHA512([]byte("Jefe"))
	m.Write([]byte("what"))
	first := m.Sum(nil)
	m.Reset()
	m.Write([]byte("what"))
	if !bytes.Equal(first, m.Sum(nil)) || len(first) != HMACSize {
		t.Error("Reset lost the key")
	}
}

func TestCTR(t *testing.T) {
	key := bytes.Repeat([]byte{7}, KeySize)
	c, err := NewCTR(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	iv := [IVSize]byte(bytes.Repeat([]byte{0xff}, IVSize)) // the carry goes through all 128 bits
	src := make([]byte, 16384)
	rand.Read(src)
	got, want := make([]byte, len(src)), make([]byte, len(src))
	c.XOR(got, src, &iv)
	for i := 0; i < len(src); i += 16 {
		var pad [16]byte
		block.Encrypt(pad[:], iv[:])
		for j := range 16 {
			want[i+j] = src[i+j] ^ pad[j]
		}
		for j := 15; j >= 0; j-- {
			if iv[j]++; iv[j] != 0 {
				break
			}
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("key stream is wrong")
	}
	iv = [IVSize]byte(bytes.Repeat([]byte{0xff}, IVSize))
	c.XOR(got, got, &iv)
	if !bytes.Equal(got, src) {
		t.Error("does not decrypt in place")
	}
	for _, n := range []int{0, 16, 24, 31, 33} {
		if _, err := NewCTR(make([]byte, n)); !errors.Is(err, ErrKeySize) {
			t.Errorf("key of %d bytes: %v", n, err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { c.XOR(got, src, &iv) }); n > 1 {
		t.Errorf("%v allocations for a record", n)
	}
}

func BenchmarkDH(b *testing.B) {
	k, p := newKey(b, ecdh.P521()), newKey(b, ecdh.P521()).PublicKey()
	for b.Loop() {
		if _, err := DH(k, p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOneStepKDF320(b *testing.B) {
	z, info := make([]byte, 5*66), make([]byte, 300)
	for b.Loop() {
		if _, err := OneStepKDF(sha512.New, z, info, 320); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrapKWP(b *testing.B) {
	pt := make([]byte, 128)
	for b.Loop() {
		if _, err := WrapKWP(kek, pt); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnwrapKWP(b *testing.B) {
	ct, err := WrapKWP(kek, make([]byte, 128))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := UnwrapKWP(kek, ct); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCTR16K(b *testing.B) {
	c, err := NewCTR(kek)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 16384)
	var iv [IVSize]byte
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		c.XOR(buf, buf, &iv)
	}
}

func BenchmarkStandardCTR16K(b *testing.B) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 16384)
	var iv [IVSize]byte
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		cipher.NewCTR(block, iv[:]).XORKeyStream(buf, buf)
	}
}

func BenchmarkHMACSHA512Of16K(b *testing.B) {
	m, buf, sum := NewHMACSHA512(kek), make([]byte, 16384), make([]byte, 0, HMACSize)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		m.Reset()
		m.Write(buf)
		m.Sum(sum)
	}
}
