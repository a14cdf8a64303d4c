package vectorset

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"testing"

	"openped/protocol/kas"
)

// keyPair returns a key of the curve with its coordinates.
func keyPair(t *testing.T, c ecdh.Curve, n int) (scalar, x, y []byte) {
	t.Helper()
	k, err := c.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := k.PublicKey().Bytes()
	return k.Bytes(), public[1 : 1+n], public[1+n:]
}

func TestKeyChecks(t *testing.T) {
	t.Run("P-256", func(t *testing.T) { keyChecks(t, standard(ecdh.P256(), 32), ecdh.P256()) })
	t.Run("P-384", func(t *testing.T) { keyChecks(t, standard(ecdh.P384(), 48), ecdh.P384()) })
	t.Run("P-521", func(t *testing.T) { keyChecks(t, standard(ecdh.P521(), 66), ecdh.P521()) })
	t.Run("P-224", func(t *testing.T) {
		one := append(make([]byte, 27), 1)
		k, err := p224.newPrivate(one)
		if err != nil {
			t.Fatal(err)
		}
		public := k.PublicKey().Bytes()
		refusals(t, p224, one, public[1:29], public[29:])
		z, err := kas.DH(k, k.PublicKey())
		if err != nil || !bytes.Equal(z, public[1:29]) {
			t.Errorf("1·G is not G: %x %v", z, err)
		}
	})
}

func keyChecks(t *testing.T, c curve[*ecdh.PublicKey], std ecdh.Curve) {
	scalar, x, y := keyPair(t, std, c.fieldLen)
	refusals(t, c, scalar, x, y)
	_, ox, oy := keyPair(t, std, c.fieldLen)
	if _, err := c.privateKey(scalar, ox, oy); err == nil {
		t.Error("a foreign public key was taken for the private key's")
	}
}

func refusals[P interface{ Bytes() []byte }](t *testing.T, c curve[P], scalar, x, y []byte) {
	t.Helper()
	padded := append([]byte{0, 0}, x...)
	if _, err := c.privateKey(append([]byte{0}, scalar...), padded, y); err != nil {
		t.Errorf("a key with padded coordinates was refused: %v", err)
	}
	flipped := bytes.Clone(y)
	flipped[len(flipped)-1] ^= 1
	if _, err := c.publicKey(x, flipped); err == nil {
		t.Error("a point off the curve was taken")
	}
	if _, err := c.publicKey(nil, nil); err == nil {
		t.Error("no point was taken")
	}
	if _, err := c.publicKey(bytes.Repeat([]byte{0xff}, c.fieldLen), y); err == nil {
		t.Error("a coordinate above the field was taken")
	}
	if _, err := c.publicKey(append([]byte{1}, x...), y); err == nil && len(x) == c.fieldLen {
		t.Error("a coordinate that is too long was taken")
	}
	if _, err := c.privateKey(nil, x, y); err == nil {
		t.Error("private key 0 was taken")
	}
	if _, err := c.privateKey(bytes.Repeat([]byte{0xff}, c.fieldLen), x, y); err == nil {
		t.Error("a private key above the order was taken")
	}
}

func TestEphemeralData(t *testing.T) {
	x, y, nonce, dkm := []byte{0, 0, 1, 2}, []byte{3}, []byte{8}, []byte{9}
	for i, c := range []struct{ x, y, nonce, dkm, want []byte }{
		{x, y, nonce, dkm, []byte{1, 2, 0, 3}},
		{nil, nil, nonce, dkm, nonce},
		{nil, nil, nil, dkm, dkm},
		{nil, nil, nil, nil, nil},
	} {
		if got, err := ephemeralData(2, c.x, c.y, c.nonce, c.dkm); err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%d: %x %v", i, got, err)
		}
	}
	if _, err := ephemeralData(1, x, y, nil, nil); err == nil {
		t.Error("a coordinate that is too long was taken")
	}
}

func TestECCScope(t *testing.T) {
	for name, group := range map[string]string{
		"scheme": `{"scheme":"fullMqv","testType":"VAL"}`,
		"curve":  `{"scheme":"onePassDh","testType":"VAL","curve":"B-233","hashAlg":"SHA2-256","kasMode":"noKdfNoKc"}`,
		"type":   `{"scheme":"onePassDh","testType":"AFT"}`,
		"mac":    `{"scheme":"onePassDh","testType":"VAL","curve":"P-256","hashAlg":"SHA2-256","kasMode":"kdfKc","kdfType":"asn1","macType":"CMAC"}`,
	} {
		if _, err := answerECC([]byte(group), nil); !isOutOfScope(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, group := range map[string]string{
		"json":   `{`,
		"hash":   `{"scheme":"onePassDh","testType":"VAL","hashAlg":"MD5"}`,
		"mode":   `{"scheme":"onePassDh","testType":"VAL","hashAlg":"SHA2-256","kasMode":"x"}`,
		"kdf":    `{"scheme":"onePassDh","testType":"VAL","hashAlg":"SHA2-256","kasMode":"kdfKc","kdfType":"x"}`,
		"mac":    `{"scheme":"onePassDh","testType":"VAL","hashAlg":"SHA2-256","kasMode":"kdfKc","kdfType":"asn1","macType":"HMAC-MD5"}`,
		"broken": `[]`,
	} {
		if _, err := answerECC([]byte(group), nil); err == nil || isOutOfScope(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func isOutOfScope(err error) bool {
	_, ok := err.(outOfScope)
	return ok
}
