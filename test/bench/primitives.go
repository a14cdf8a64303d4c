package main

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"errors"
)

var errPrimitive = errors.New("a primitive failed")

// primitives returns the sum of the primitives of setup.handshake, both sides,
// as bare calls of the standard library on values ready at hand, none of our
// own code among them:
//
//   - P-521: 2 key generations (QeU, QeV); 8 ECDH, on each side Ze, Zs, X_U and
//     X_V; validation of the 4 points that arrive as bytes (QeU, QeV and the two
//     certified static keys)
//   - ML-KEM-1024: key generation, reading the encapsulation key, encapsulation,
//     decapsulation
//   - 1 ECDSA P-521 verification, of the static certificate: the other two are
//     remembered, as they are in setup.handshake
//   - SHA-512: the transcript on each side; 2 one-step key derivations on each
//     side, of 256 and 320 bytes
//   - HMAC-SHA-512: 3 confirmation tags, each made and checked
//   - AES-256-CTR and HMAC-SHA-512 of the 3 records Begin, PedAuth and Confirm,
//     each made and opened
//
// Not in it, though no handshake can do without: X.509 parsing, nonces, fixed
// inputs, memory.
func (s *setup) primitives() (func() error, error) {
	// The sizes hashed are those of a real handshake.
	r, err := s.run(s.pedVerifier(), s.hsmVerifier())
	if err != nil {
		return nil, err
	}
	defer r.HSM.Wipe()
	defer r.PED.Wipe()
	var clear, records [][]byte // Hello, Reply, HsmProof; Begin, PedAuth, Confirm
	for _, step := range r.Steps {
		if len(clear) < 3 {
			clear = append(clear, step.Msg)
		} else {
			records = append(records, step.Msg)
		}
	}
	static, err := x509.ParseCertificate(s.chain[0])
	if err != nil {
		return nil, err
	}
	digest := sha512.Sum512(static.RawTBSCertificate)
	issuingKey := &s.issuing.Key.PublicKey
	staticPoint, rpkPoint := s.static.PublicKey().Bytes(), s.rpk.PublicKey().Bytes()
	p521 := ecdh.P521()
	key := make([]byte, 64)
	buf := make([]byte, 4096)

	return func() error {
		eu, err1 := p521.GenerateKey(rand.Reader)
		ev, err2 := p521.GenerateKey(rand.Reader)
		dk, err3 := mlkem.GenerateKey1024()
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		ek, err := mlkem.NewEncapsulationKey1024(dk.EncapsulationKey().Bytes())
		if err != nil {
			return err
		}
		_, ct := ek.Encapsulate()
		if _, err := dk.Decapsulate(ct); err != nil {
			return err
		}
		if !ecdsa.VerifyASN1(issuingKey, digest[:], static.Signature) {
			return errPrimitive
		}
		var points [4]*ecdh.PublicKey
		for i, b := range [][]byte{eu.PublicKey().Bytes(), ev.PublicKey().Bytes(), staticPoint, rpkPoint} {
			if points[i], err = p521.NewPublicKey(b); err != nil {
				return err
			}
		}
		qeU, qeV, qsU, qsV := points[0], points[1], points[2], points[3]
		for _, dh := range []struct {
			own  *ecdh.PrivateKey
			peer *ecdh.PublicKey
		}{
			{eu, qeV}, {s.static, qeV}, {s.static, qsV}, {eu, qsV}, // HSM: Ze, X_U, Zs, X_V
			{ev, qeU}, {ev, qsU}, {s.rpk, qsU}, {s.rpk, qeU}, // PED: the same
		} {
			if _, err := dh.own.ECDH(dh.peer); err != nil {
				return err
			}
		}
		for range 2 { // sides
			hashSum(clear...)
			for _, size := range []int{256, 320} {
				for range size / sha512.Size {
					hashSum(buf[:600]) // counter, Z', FixedInfo
				}
			}
			for range 3 {
				hmacSum(key, buf[:400])
			}
			for _, rec := range records {
				hmacSum(key, rec)
				if err := ctr(key[:32], buf[:len(rec)]); err != nil {
					return err
				}
			}
		}
		return nil
	}, nil
}

func hashSum(parts ...[]byte) (sum [sha512.Size]byte) {
	h := crypto.SHA512.New()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}

func hmacSum(key, data []byte) (sum [sha512.Size]byte) {
	m := hmac.New(sha512.New, key)
	m.Write(data)
	m.Sum(sum[:0])
	return sum
}

func ctr(key, buf []byte) error {
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(buf, buf)
	return nil
}
