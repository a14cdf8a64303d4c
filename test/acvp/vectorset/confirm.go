package vectorset

import (
	"encoding/json"
	"fmt"

	"openped/protocol/kas"
)

// confirmation is who confirms the key to whom, as ACVP words it: the
// implementation under test (IUT) is the initiator (party U) or the responder
// (party V), and provides or receives the tag.
type confirmation struct {
	Role, KCRole, Direction string
}

// label is the message string of MacData: it names the provider of the tag.
func (c confirmation) label() (label string, iutProvides bool, err error) {
	if (c.Role != "initiator" && c.Role != "responder") || (c.KCRole != "provider" && c.KCRole != "recipient") ||
		(c.Direction != "unilateral" && c.Direction != "bilateral") {
		return "", false, fmt.Errorf("key confirmation %v is not supported", c)
	}
	iutProvides = c.KCRole == "provider"
	providerIsU := (c.Role == "initiator") == iutProvides
	switch {
	case c.Direction == "unilateral" && providerIsU:
		return kas.LabelKC1U, iutProvides, nil
	case c.Direction == "unilateral":
		return kas.LabelKC1V, iutProvides, nil
	case providerIsU:
		return kas.LabelKC2U, iutProvides, nil
	default:
		return kas.LabelKC2V, iutProvides, nil
	}
}

// macData is the data of the tag that the provider sends.
func (c confirmation) macData(iut, server party) ([]byte, error) {
	label, iutProvides, err := c.label()
	if err != nil {
		return nil, err
	}
	provider, recipient := iut, server
	if !iutProvides {
		provider, recipient = server, iut
	}
	return kas.MacData(label, provider.ID, recipient.ID, provider.Ephemeral, recipient.Ephemeral, nil), nil
}

type kcGroup struct {
	header
	Role      string `json:"kasRole"`
	Direction string `json:"keyConfirmationDirection"`
	KCRole    string `json:"keyConfirmationRole"`
	MACType   string `json:"keyAgreementMacType"`
	MACLen    int    `json:"macLen"`
	Tests     []struct {
		ID     int   `json:"tcId"`
		Server party `json:"macDataServer"`
		IUT    party `json:"macDataIut"`
		Key    Hex   `json:"macKey"`
		Tag    Hex   `json:"tag"`
	} `json:"tests"`
}

func answerKC(raw json.RawMessage, _ map[int][]byte) ([]any, error) {
	var g kcGroup
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, err
	}
	h, err := hmacByName(g.MACType)
	if err != nil {
		return nil, err
	}
	answers := []any{}
	for _, t := range g.Tests {
		data, err := confirmation{g.Role, g.KCRole, g.Direction}.macData(t.IUT, t.Server)
		if err != nil {
			return nil, err
		}
		switch g.TestType {
		case "AFT":
			tag, err := kas.MacTag(h, t.Key, data, g.MACLen/8)
			if err != nil {
				return nil, err
			}
			answers = append(answers, struct {
				ID  int `json:"tcId"`
				Tag Hex `json:"tag"`
			}{t.ID, tag})
		case "VAL":
			answers = append(answers, verdict{t.ID, kas.VerifyTag(h, t.Key, data, t.Tag, g.MACLen/8)})
		default:
			return nil, fmt.Errorf("test type %q is not supported", g.TestType)
		}
	}
	return answers, nil
}
