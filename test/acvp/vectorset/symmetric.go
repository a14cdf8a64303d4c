package vectorset

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"openped/protocol/kas"
)

type cipherGroup struct {
	header
	Direction string `json:"direction"`
	Cipher    string `json:"kwCipher"`
	KeyLen    int    `json:"keyLen"`
	Tests     []struct {
		ID         int `json:"tcId"`
		Key        Hex `json:"key"`
		IV         Hex `json:"iv"`
		PT         Hex `json:"pt"`
		CT         Hex `json:"ct"`
		PayloadLen int `json:"payloadLen"`
	} `json:"tests"`
}

func readCipherGroup(raw json.RawMessage) (g cipherGroup, err error) {
	if err := json.Unmarshal(raw, &g); err != nil {
		return g, err
	}
	if g.KeyLen != 8*kas.KeySize {
		return g, outOfScope(fmt.Sprintf("%d-bit keys", g.KeyLen))
	}
	if g.Direction != "encrypt" && g.Direction != "decrypt" {
		return g, fmt.Errorf("direction %q is not supported", g.Direction)
	}
	return g, nil
}

type ciphertext struct {
	ID int `json:"tcId"`
	CT Hex `json:"ct"`
	IV Hex `json:"iv,omitempty"`
}

type plaintext struct {
	ID int `json:"tcId"`
	PT Hex `json:"pt"`
}

func answerKWP(raw json.RawMessage, _ map[int][]byte) ([]any, error) {
	g, err := readCipherGroup(raw)
	if err != nil {
		return nil, err
	}
	if g.Cipher != "cipher" {
		return nil, outOfScope("wrapping with the inverse cipher")
	}
	answers := []any{}
	for _, t := range g.Tests {
		if g.Direction == "encrypt" {
			ct, err := kas.WrapKWP(t.Key, t.PT)
			if err != nil {
				return nil, fmt.Errorf("case %d: %w", t.ID, err)
			}
			answers = append(answers, ciphertext{ID: t.ID, CT: ct})
			continue
		}
		pt, err := kas.UnwrapKWP(t.Key, t.CT)
		switch {
		case errors.Is(err, kas.ErrUnwrap):
			answers = append(answers, verdict{t.ID, false})
		case err != nil:
			return nil, fmt.Errorf("case %d: %w", t.ID, err)
		default:
			answers = append(answers, plaintext{t.ID, pt})
		}
	}
	return answers, nil
}

func answerCTR(raw json.RawMessage, ivs map[int][]byte) ([]any, error) {
	g, err := readCipherGroup(raw)
	if err != nil {
		return nil, err
	}
	if g.TestType != "AFT" {
		return nil, outOfScope("test type " + g.TestType)
	}
	answers := []any{}
	for _, t := range g.Tests {
		in, iv := t.CT, t.IV
		if g.Direction == "encrypt" {
			in = t.PT
			if iv == nil {
				iv = ivs[t.ID]
			}
			if iv == nil {
				iv = newIV()
			}
		}
		bits := t.PayloadLen
		if bits == 0 {
			bits = 8 * len(in)
		}
		if len(iv) != kas.IVSize || len(in) != (bits+7)/8 {
			return nil, fmt.Errorf("case %d: lengths do not fit", t.ID)
		}
		c, err := kas.NewCTR(t.Key)
		if err != nil {
			return nil, fmt.Errorf("case %d: %w", t.ID, err)
		}
		out := make([]byte, len(in))
		c.XOR(out, in, (*[kas.IVSize]byte)(iv))
		if bits%8 != 0 { // what is beyond a payload of odd bits is zero
			out[len(out)-1] &= 0xff << (8 - bits%8)
		}
		if g.Direction == "encrypt" {
			answers = append(answers, ciphertext{t.ID, out, iv})
		} else {
			answers = append(answers, plaintext{t.ID, out})
		}
	}
	return answers, nil
}

// newIV is 96 random bits and a counter from 1.
func newIV() []byte {
	iv := make([]byte, kas.IVSize)
	rand.Read(iv[:12])
	iv[15] = 1
	return iv
}

type hmacGroup struct {
	header
	MACLen int `json:"macLen"`
	Tests  []struct {
		ID     int `json:"tcId"`
		Key    Hex `json:"key"`
		KeyLen int `json:"keyLen"`
		Msg    Hex `json:"msg"`
		MsgLen int `json:"msgLen"`
		MACLen int `json:"macLen"`
	} `json:"tests"`
}

func answerHMAC(raw json.RawMessage, _ map[int][]byte) ([]any, error) {
	var g hmacGroup
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, err
	}
	if g.TestType != "AFT" {
		return nil, outOfScope("test type " + g.TestType)
	}
	answers := []any{}
	for _, t := range g.Tests {
		bits := t.MACLen // revision 2.0 has the length per test, 1.0 per group
		if bits == 0 {
			bits = g.MACLen
		}
		if bits <= 0 || bits%8 != 0 || bits > 8*kas.HMACSize || t.KeyLen%8 != 0 || t.MsgLen%8 != 0 {
			return nil, fmt.Errorf("case %d: lengths are not supported", t.ID)
		}
		answers = append(answers, struct {
			ID  int `json:"tcId"`
			MAC Hex `json:"mac"`
		}{t.ID, kas.HMACSHA512(t.Key, t.Msg)[:bits/8]})
	}
	return answers, nil
}
