package vectorset

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Response is an ACVP response: expectedResults.json's shape.
type Response struct {
	VsID      int      `json:"vsId"`
	Algorithm string   `json:"algorithm"`
	Mode      *string  `json:"mode,omitempty"`
	Revision  string   `json:"revision"`
	IsSample  bool     `json:"isSample"`
	Groups    []*Group `json:"testGroups"`
}

// Group is the answers to one test group.
type Group struct {
	ID    int   `json:"tgId"`
	Tests []any `json:"tests"`
}

// Skip says why a group was left out.
type Skip struct {
	Group, Tests int
	Reason       string
}

// Set is the answers to one prompt.
type Set struct {
	Response
	Skipped []Skip
}

// header is what every group of every algorithm has.
type header struct {
	ID       int    `json:"tgId"`
	TestType string `json:"testType"`
	Tests    []struct {
		ID int `json:"tcId"`
	} `json:"tests"`
}

// outOfScope is the error of a group that is not ours to answer.
type outOfScope string

func (e outOfScope) Error() string { return string(e) }

// answerer answers one test group. ivs holds what the implementation under test
// was free to choose, by test case, where it is known.
type answerer func(group json.RawMessage, ivs map[int][]byte) ([]any, error)

// answerers is keyed by algorithm, mode and revision.
var answerers = map[string]answerer{
	"KDA-OneStep-Sp800-56Cr1": answerKDA,
	"KDA-OneStep-Sp800-56Cr2": answerKDA,
	"KAS-KC-Sp800-56":         answerKC,
	"KAS-ECC-1.0":             answerECC,
	"ACVP-AES-KWP-1.0":        answerKWP,
	"ACVP-AES-CTR-1.0":        answerCTR,
	"HMAC-SHA2-512-1.0":       answerHMAC,
	"HMAC-SHA2-512-2.0":       answerHMAC,
}

// Name is algorithm, mode and revision, as NIST names the folders.
func (r *Response) Name() string {
	if r.Mode != nil && *r.Mode != "" {
		return r.Algorithm + "-" + *r.Mode + "-" + r.Revision
	}
	return r.Algorithm + "-" + r.Revision
}

// Answer answers the prompt. expected may be nil: AES-CTR encryption chooses its
// own IVs, and takes those of expected, where given, so that answers compare.
func Answer(prompt, expected []byte) (*Set, error) {
	var p struct {
		Response
		Groups []json.RawMessage `json:"testGroups"`
	}
	if err := unmarshal(prompt, &p); err != nil {
		return nil, fmt.Errorf("prompt: %w", err)
	}
	answerGroup, ok := answerers[p.Name()]
	if !ok {
		return nil, fmt.Errorf("algorithm %q is not supported", p.Name())
	}
	ivs, err := expectedIVs(expected)
	if err != nil {
		return nil, fmt.Errorf("expected results: %w", err)
	}
	set := &Set{Response: p.Response}
	set.Groups = []*Group{}
	for _, raw := range p.Groups {
		var h header
		if err := json.Unmarshal(raw, &h); err != nil {
			return nil, fmt.Errorf("prompt: %w", err)
		}
		tests, err := answerGroup(raw, ivs)
		if reason := outOfScope(""); errors.As(err, &reason) {
			set.Skipped = append(set.Skipped, Skip{h.ID, len(h.Tests), string(reason)})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("group %d: %w", h.ID, err)
		}
		set.Groups = append(set.Groups, &Group{h.ID, tests})
	}
	return set, nil
}

// unmarshal takes a vector set as it is, or in ACVP's envelope: an array whose
// first element is the protocol version.
func unmarshal(b []byte, v any) error {
	var envelope []json.RawMessage
	if json.Unmarshal(b, &envelope) == nil && len(envelope) > 0 {
		b = envelope[len(envelope)-1]
	}
	return json.Unmarshal(b, v)
}

func expectedIVs(expected []byte) (map[int][]byte, error) {
	ivs := map[int][]byte{}
	if expected == nil {
		return ivs, nil
	}
	var e struct {
		Groups []struct {
			Tests []struct {
				ID int `json:"tcId"`
				IV Hex `json:"iv"`
			} `json:"tests"`
		} `json:"testGroups"`
	}
	if err := unmarshal(expected, &e); err != nil {
		return nil, err
	}
	for _, g := range e.Groups {
		for _, t := range g.Tests {
			if t.IV != nil {
				ivs[t.ID] = t.IV
			}
		}
	}
	return ivs, nil
}

// Hex is bytes that JSON shows as upper-case hexadecimal.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) {
	return []byte(strings.ToUpper(hex.EncodeToString(h))), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// verdict is the answer to a validation test.
type verdict struct {
	ID     int  `json:"tcId"`
	Passed bool `json:"testPassed"`
}
