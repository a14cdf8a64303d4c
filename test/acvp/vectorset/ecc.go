package vectorset

import (
	"crypto/ecdh"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"hash"

	"openped/protocol/kas"
)

type eccTest struct {
	ID int `json:"tcId"`

	StaticServerX    Hex `json:"staticPublicServerX"`
	StaticServerY    Hex `json:"staticPublicServerY"`
	EphemeralServerX Hex `json:"ephemeralPublicServerX"`
	EphemeralServerY Hex `json:"ephemeralPublicServerY"`

	StaticIUT     Hex `json:"staticPrivateIut"`
	StaticIUTX    Hex `json:"staticPublicIutX"`
	StaticIUTY    Hex `json:"staticPublicIutY"`
	EphemeralIUT  Hex `json:"ephemeralPrivateIut"`
	EphemeralIUTX Hex `json:"ephemeralPublicIutX"`
	EphemeralIUTY Hex `json:"ephemeralPublicIutY"`

	// In C(0e, 2s) nonces stand for ephemeral keys.
	NonceServer    Hex `json:"nonceEphemeralServer"`
	NonceIUT       Hex `json:"nonceEphemeralIut"`
	NonceDKMServer Hex `json:"nonceDkmServer"`
	NonceDKMIUT    Hex `json:"nonceDkmIut"`

	OtherInfo Hex `json:"oi"`
	NonceNoKC Hex `json:"nonceNoKc"`
	Tag       Hex `json:"tagIut"`
	HashZ     Hex `json:"hashZIut"`
}

type eccGroup struct {
	header
	Scheme   string    `json:"scheme"`
	Curve    string    `json:"curve"`
	Role     string    `json:"kasRole"`
	Mode     string    `json:"kasMode"`
	Hash     string    `json:"hashAlg"`
	MACType  string    `json:"macType"`
	KeyLen   int       `json:"keyLen"`
	MACLen   int       `json:"macLen"`
	KDFType  string    `json:"kdfType"`
	IDServer Hex       `json:"idServer"`
	IDIUT    Hex       `json:"idIut"`
	KCRole   string    `json:"kcRole"`
	KCType   string    `json:"kcType"`
	Tests    []eccTest `json:"tests"`

	hash, mac func() hash.Hash
}

func answerECC(raw json.RawMessage, _ map[int][]byte) ([]any, error) {
	var g eccGroup
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, err
	}
	switch g.Scheme {
	case "fullUnified", "onePassDh", "staticUnified":
	default:
		return nil, outOfScope("scheme " + g.Scheme)
	}
	if g.TestType != "VAL" {
		return nil, outOfScope("test type " + g.TestType + ", which gives no private keys")
	}
	if err := g.primitives(); err != nil {
		return nil, err
	}
	switch g.Curve {
	case "P-224":
		return answerOn(p224, &g)
	case "P-256":
		return answerOn(standard(ecdh.P256(), 32), &g)
	case "P-384":
		return answerOn(standard(ecdh.P384(), 48), &g)
	case "P-521":
		return answerOn(standard(ecdh.P521(), 66), &g)
	}
	return nil, outOfScope("curve " + g.Curve)
}

func (g *eccGroup) primitives() (err error) {
	if g.hash, err = hashByName(g.Hash); err != nil {
		return err
	}
	switch g.Mode {
	case "noKdfNoKc":
		return nil
	case "kdfNoKc", "kdfKc":
	default:
		return fmt.Errorf("mode %q is not supported", g.Mode)
	}
	if g.KDFType != "asn1" && g.KDFType != "concatenation" {
		return fmt.Errorf("key derivation %q is not supported", g.KDFType)
	}
	g.mac, err = hmacByName(g.MACType)
	return err
}

func answerOn[P interface{ Bytes() []byte }](c curve[P], g *eccGroup) ([]any, error) {
	answers := []any{}
	for i := range g.Tests {
		t := &g.Tests[i]
		passed := false
		// A key that is not accepted fails the test case: some are there for that.
		if z, err := agree(c, g, t); err == nil {
			if passed, err = g.verify(t, z, c.fieldLen); err != nil {
				return nil, fmt.Errorf("case %d: %w", t.ID, err)
			}
		}
		answers = append(answers, verdict{t.ID, passed})
	}
	return answers, nil
}

// agree is the shared secret that the implementation under test computes.
func agree[P interface{ Bytes() []byte }](c curve[P], g *eccGroup, t *eccTest) ([]byte, error) {
	ephemeral := func() (kas.PrivateKey[P], error) {
		return c.privateKey(t.EphemeralIUT, t.EphemeralIUTX, t.EphemeralIUTY)
	}
	static := func() (kas.PrivateKey[P], error) { return c.privateKey(t.StaticIUT, t.StaticIUTX, t.StaticIUTY) }
	peerEphemeral := func() (P, error) { return c.publicKey(t.EphemeralServerX, t.EphemeralServerY) }
	peerStatic := func() (P, error) { return c.publicKey(t.StaticServerX, t.StaticServerY) }

	switch {
	case g.Scheme == "onePassDh" && g.Role == "initiator":
		return pair(kas.OnePassDHU[P], ephemeral, peerStatic)
	case g.Scheme == "onePassDh":
		return pair(kas.OnePassDHV[P], static, peerEphemeral)
	case g.Scheme == "staticUnified":
		return pair(kas.StaticUnified[P], static, peerStatic)
	}
	e, err := ephemeral()
	if err != nil {
		return nil, err
	}
	s, err := static()
	if err != nil {
		return nil, err
	}
	pe, err := peerEphemeral()
	if err != nil {
		return nil, err
	}
	ps, err := peerStatic()
	if err != nil {
		return nil, err
	}
	return kas.FullUnified(e, s, pe, ps)
}

func pair[P any](scheme func(kas.PrivateKey[P], P) ([]byte, error), own func() (kas.PrivateKey[P], error), peer func() (P, error)) ([]byte, error) {
	k, err := own()
	if err != nil {
		return nil, err
	}
	p, err := peer()
	if err != nil {
		return nil, err
	}
	return scheme(k, p)
}

// verify reports whether the test case's result is what z gives.
func (g *eccGroup) verify(t *eccTest, z []byte, fieldLen int) (bool, error) {
	if g.Mode == "noKdfNoKc" {
		h := g.hash()
		h.Write(z)
		return subtle.ConstantTimeCompare(h.Sum(nil), t.HashZ) == 1, nil
	}
	key, err := kas.OneStepKDF(g.hash, z, t.OtherInfo, g.KeyLen/8)
	if err != nil {
		return false, err
	}
	// Without key confirmation the key is shown by a tag over a fixed message.
	data := append([]byte("Standard Test Message"), t.NonceNoKC...)
	if g.Mode == "kdfKc" {
		iut, err := ephemeralData(fieldLen, t.EphemeralIUTX, t.EphemeralIUTY, t.NonceIUT, t.NonceDKMIUT)
		if err != nil {
			return false, err
		}
		server, err := ephemeralData(fieldLen, t.EphemeralServerX, t.EphemeralServerY, t.NonceServer, t.NonceDKMServer)
		if err != nil {
			return false, err
		}
		if data, err = (confirmation{g.Role, g.KCRole, g.KCType}).macData(party{g.IDIUT, iut}, party{g.IDServer, server}); err != nil {
			return false, err
		}
	}
	return kas.VerifyTag(g.mac, key, data, t.Tag, g.MACLen/8), nil
}

// ephemeralData is what a party has contributed for this one run: its ephemeral
// public key or, where the scheme has none, its nonce, or nothing.
func ephemeralData(fieldLen int, x, y, nonce, dkmNonce []byte) ([]byte, error) {
	switch {
	case len(x) > 0:
		fx, err := fixLength(x, fieldLen)
		if err != nil {
			return nil, err
		}
		fy, err := fixLength(y, fieldLen)
		return append(fx, fy...), err
	case len(nonce) > 0:
		return nonce, nil
	default:
		return dkmNonce, nil
	}
}
