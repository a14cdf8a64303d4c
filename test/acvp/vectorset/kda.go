package vectorset

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"openped/protocol/kas"
)

type party struct {
	ID        Hex `json:"partyId"`
	Ephemeral Hex `json:"ephemeralData"`
}

type kdaTest struct {
	ID        int `json:"tcId"`
	Parameter struct {
		Salt        Hex `json:"salt"`
		Z           Hex `json:"z"`
		T           Hex `json:"t"`
		L           int `json:"l"`
		AlgorithmID Hex `json:"algorithmId"`
		Label       Hex `json:"label"`
		Context     Hex `json:"context"`
	} `json:"kdfParameter"`
	U   party `json:"fixedInfoPartyU"`
	V   party `json:"fixedInfoPartyV"`
	DKM Hex   `json:"dkm"`
}

type kdaGroup struct {
	header
	Configuration struct {
		Type     string `json:"kdfType"`
		L        int    `json:"l"`
		Pattern  string `json:"fixedInfoPattern"`
		Encoding string `json:"fixedInfoEncoding"`
		Function string `json:"auxFunction"`
	} `json:"kdfConfiguration"`
	Tests []kdaTest `json:"tests"`
}

func answerKDA(raw json.RawMessage, _ map[int][]byte) ([]any, error) {
	var g kdaGroup
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, err
	}
	c := g.Configuration
	if c.Encoding != "concatenation" {
		return nil, fmt.Errorf("encoding %q is not supported", c.Encoding)
	}
	answers := []any{}
	for _, t := range g.Tests {
		l := t.Parameter.L
		if l == 0 {
			l = c.L
		}
		if l <= 0 || l%8 != 0 {
			return nil, fmt.Errorf("case %d: %d bits of key are not supported", t.ID, l)
		}
		info, err := t.fixedInfo(c.Pattern, l)
		if err != nil {
			return nil, fmt.Errorf("case %d: %w", t.ID, err)
		}
		h, err := auxFunction(c.Function, t.Parameter.Salt, l/8)
		if err != nil {
			return nil, err
		}
		dkm, err := kas.OneStepKDF(h, t.Parameter.Z, info, l/8)
		if err != nil {
			return nil, fmt.Errorf("case %d: %w", t.ID, err)
		}
		switch g.TestType {
		case "AFT":
			answers = append(answers, struct {
				ID  int `json:"tcId"`
				DKM Hex `json:"dkm"`
			}{t.ID, dkm})
		case "VAL":
			answers = append(answers, verdict{t.ID, bytes.Equal(dkm, t.DKM)})
		default:
			return nil, fmt.Errorf("test type %q is not supported", g.TestType)
		}
	}
	return answers, nil
}

// fixedInfo follows the pattern: names of fields, joined by "||".
func (t *kdaTest) fixedInfo(pattern string, bits int) ([]byte, error) {
	var out []byte
	for piece := range strings.SplitSeq(pattern, "||") {
		switch {
		case piece == "uPartyInfo":
			out = append(append(out, t.U.ID...), t.U.Ephemeral...)
		case piece == "vPartyInfo":
			out = append(append(out, t.V.ID...), t.V.Ephemeral...)
		case piece == "l":
			out = binary.BigEndian.AppendUint32(out, uint32(bits))
		case piece == "t":
			out = append(out, t.Parameter.T...)
		case piece == "algorithmId":
			out = append(out, t.Parameter.AlgorithmID...)
		case piece == "label":
			out = append(out, t.Parameter.Label...)
		case piece == "context":
			out = append(out, t.Parameter.Context...)
		case strings.HasPrefix(piece, "literal[") && strings.HasSuffix(piece, "]"):
			b, err := hex.DecodeString(piece[len("literal[") : len(piece)-1])
			if err != nil {
				return nil, fmt.Errorf("pattern: %w", err)
			}
			out = append(out, b...)
		default:
			return nil, fmt.Errorf("pattern element %q is not supported", piece)
		}
	}
	return out, nil
}
