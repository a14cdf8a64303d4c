package vectorset

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"math/big"

	"openped/protocol/kas"
)

// curve decodes the keys of one curve, with full validation.
type curve[P interface{ Bytes() []byte }] struct {
	fieldLen   int
	newPublic  func(sec1 []byte) (P, error)
	newPrivate func(scalar []byte) (kas.PrivateKey[P], error)
}

func standard(c ecdh.Curve, fieldLen int) curve[*ecdh.PublicKey] {
	return curve[*ecdh.PublicKey]{fieldLen, c.NewPublicKey, func(scalar []byte) (kas.PrivateKey[*ecdh.PublicKey], error) {
		return c.NewPrivateKey(scalar)
	}}
}

// p224 is the curve that most official C(2e, 2s) and C(1e, 1s) vectors are on,
// and that crypto/ecdh leaves out.
var p224 = curve[*p224Public]{28, newP224Public, newP224Private}

type p224Public struct{ sec1 []byte }

func (p *p224Public) Bytes() []byte { return p.sec1 }

func newP224Public(sec1 []byte) (*p224Public, error) {
	if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P224(), sec1); err != nil {
		return nil, err
	}
	return &p224Public{bytes.Clone(sec1)}, nil
}

type p224Private struct {
	scalar []byte
	public *p224Public
}

func newP224Private(scalar []byte) (kas.PrivateKey[*p224Public], error) {
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P224(), scalar)
	if err != nil {
		return nil, err
	}
	sec1, err := k.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	return &p224Private{bytes.Clone(scalar), &p224Public{sec1}}, nil
}

func (k *p224Private) PublicKey() *p224Public { return k.public }

func (k *p224Private) ECDH(peer *p224Public) ([]byte, error) {
	x := new(big.Int).SetBytes(peer.sec1[1:29])
	y := new(big.Int).SetBytes(peer.sec1[29:])
	//lint:ignore SA1019 crypto/ecdh has no P-224, and these keys are published
	zx, zy := elliptic.P224().ScalarMult(x, y, k.scalar)
	if zx.Sign() == 0 && zy.Sign() == 0 {
		return nil, errors.New("shared point is at infinity")
	}
	return zx.FillBytes(make([]byte, 28)), nil
}

// publicKey decodes coordinates, which some vectors pad to whole words.
func (c curve[P]) publicKey(x, y []byte) (key P, err error) {
	sec1 := []byte{4}
	for _, coordinate := range [][]byte{x, y} {
		fixed, err := fixLength(coordinate, c.fieldLen)
		if err != nil {
			return key, err
		}
		sec1 = append(sec1, fixed...)
	}
	return c.newPublic(sec1)
}

// privateKey decodes a scalar and checks it against its public key.
func (c curve[P]) privateKey(scalar, x, y []byte) (kas.PrivateKey[P], error) {
	fixed, err := fixLength(scalar, c.fieldLen)
	if err != nil {
		return nil, err
	}
	key, err := c.newPrivate(fixed)
	if err != nil {
		return nil, err
	}
	public, err := c.publicKey(x, y)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(public.Bytes(), key.PublicKey().Bytes()) {
		return nil, errors.New("private and public key do not belong together")
	}
	return key, nil
}

func fixLength(b []byte, n int) ([]byte, error) {
	b = bytes.TrimLeft(b, "\x00")
	if len(b) > n {
		return nil, errors.New("value is too long")
	}
	return append(make([]byte, n-len(b)), b...), nil
}
