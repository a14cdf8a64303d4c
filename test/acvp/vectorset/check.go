package vectorset

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Result counts the test cases of one vector set.
type Result struct {
	Name                    string
	Passed, Failed, Skipped int
	Failures                []string
}

func (r Result) String() string {
	s := fmt.Sprintf("%s: %d passed, %d failed", r.Name, r.Passed, r.Failed)
	if r.Skipped > 0 {
		s += fmt.Sprintf(", %d skipped", r.Skipped)
	}
	return s
}

// Err is nil if something passed and nothing failed.
func (r Result) Err() error {
	switch {
	case r.Failed > 0:
		return fmt.Errorf("%s: %d of %d answers are wrong", r.Name, r.Failed, r.Passed+r.Failed)
	case r.Passed == 0:
		return errors.New(r.Name + ": nothing was tested")
	}
	return nil
}

// Check compares the answers with expectedResults.json, test case by test case:
// each that is expected outside of the skipped groups must be answered, and
// equally.
func (s *Set) Check(expected []byte) (Result, error) {
	var want Response
	if err := unmarshal(expected, &want); err != nil {
		return Result{}, fmt.Errorf("expected results: %w", err)
	}
	r := Result{Name: s.Name()}
	skipped := map[int]bool{}
	for _, k := range s.Skipped {
		skipped[k.Group] = true
		r.Skipped += k.Tests
	}
	got := map[int]map[int]string{}
	for _, g := range s.Groups {
		tests, err := byCase(g.Tests)
		if err != nil {
			return Result{}, err
		}
		got[g.ID] = tests
	}
	for _, g := range want.Groups {
		if skipped[g.ID] {
			continue
		}
		tests, err := byCase(g.Tests)
		if err != nil {
			return Result{}, err
		}
		for id, w := range tests {
			if a := got[g.ID][id]; a != w {
				r.Failed++
				r.Failures = append(r.Failures, fmt.Sprintf("group %d case %d: got %q, want %q", g.ID, id, a, w))
				continue
			}
			r.Passed++
		}
	}
	return r, nil
}

// byCase maps test case ids to a canonical form of the whole answer.
func byCase(tests []any) (map[int]string, error) {
	m := make(map[int]string, len(tests))
	for _, t := range tests {
		raw, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, err
		}
		id, ok := fields["tcId"].(float64)
		if !ok || m[int(id)] != "" {
			return nil, errors.New("a test case id is missing or repeated")
		}
		for k, v := range fields {
			if hex, ok := v.(string); ok {
				fields[k] = strings.ToUpper(hex)
			}
		}
		canonical, err := json.Marshal(fields) // sorts the keys
		if err != nil {
			return nil, err
		}
		m[int(id)] = string(canonical)
	}
	return m, nil
}
