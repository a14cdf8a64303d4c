package lab

import (
	"fmt"
	"slices"
	"strings"
)

// Key is a PED key and the PIN that its holder has for it ("" for none).
type Key struct{ Name, PIN string }

// Keyset is M of the keys, in the order in which their holders come.
type Keyset struct {
	M    int
	Keys []Key
}

// People are the custodians at the PED: what they do follows from the screen.
// A keyset that is missing means that nobody comes: the screen stays.
type People struct {
	Orange Keyset // opens the channel
	Login  Keyset // gives its shares: the keyset in force

	// Existing keysets to be taken over: with one, create.reuse is answered YES.
	ReuseOrange, ReuseBlue, ReuseRed Keyset

	// New keysets, by the second line of the screens.
	NewOrange, NewBlue, NewRed Keyset
	Duplicates                 []Keyset // further copies of a new keyset, M not looked at

	// Answers replaces what is done at a screen: commands of the script face.
	Answers map[string][]string

	password string // told by the console

	copies int // copies of the keyset begun
	next   int // which key of a keyset comes next
	last   Key // the key in the port
}

// answer returns the commands of the script face for a screen; nothing to do at
// a screen that only tells.
func (p *People) answer(s Screen) ([]string, error) {
	if a, ok := p.Answers[s.ID]; ok {
		return a, nil
	}
	switch s.ID {
	case "otp.password", "otp.unverified":
		return press(p.password + "E"), nil
	case "key.insert", "login.insert", "reuse.insert", "reuse.again":
		p.next = 0
		return p.insert(p.reading(s))
	case "key.insert-another", "login.insert-another", "reuse.insert-another":
		return p.insert(p.reading(s))
	case "key.pin", "login.pin", "reuse.pin":
		return press(p.last.PIN + "E"), nil
	case "confirm.erase", "create.blank", "create.notblank", "create.sure", "login.foreign":
		return press("Y"), nil
	case "create.reuse":
		if p.copies = 0; len(p.reading(s).Keys) > 0 {
			return press("Y"), nil
		}
		return press("N"), nil
	case "create.m":
		p.copies = 0
		return press(fmt.Sprintf("%dE", p.writing(s).M)), nil
	case "create.n":
		return press(fmt.Sprintf("%dE", len(p.writing(s).Keys))), nil
	case "create.insert":
		p.next = 0
		return p.insert(p.writing(s))
	case "create.insert-another":
		return p.insert(p.writing(s))
	case "create.pin", "create.pin-again":
		return press(p.last.PIN + "E"), nil
	case "create.duplicate", "create.duplicate-another", "reuse.duplicate":
		if p.copies < len(p.Duplicates) {
			p.copies++
			return press("Y"), nil
		}
		return press("N"), nil
	}
	if strings.HasPrefix(s.ID, "notice.") && !slices.Contains([]string{"notice.done", "notice.failed", "notice.timeout"}, s.ID) {
		return nil, fmt.Errorf("nobody expected %s: %s", s.ID, s.Text())
	}
	return nil, nil
}

// reading is the keyset that a screen wants to read, or offers to.
func (p *People) reading(s Screen) Keyset {
	switch {
	case strings.HasPrefix(s.ID, "key."):
		return p.Orange
	case strings.HasPrefix(s.ID, "login."):
		return p.Login
	}
	return byOp(s, p.ReuseOrange, p.ReuseBlue, p.ReuseRed)
}

// writing is the keyset, or the copy of one, that a screen wants to write.
func (p *People) writing(s Screen) Keyset {
	if p.copies > 0 && p.copies <= len(p.Duplicates) {
		return p.Duplicates[p.copies-1]
	}
	return byOp(s, p.NewOrange, p.NewBlue, p.NewRed)
}

// byOp chooses by what line 2 says the operation is for.
func byOp(s Screen, orange, blue, red Keyset) Keyset {
	switch op := s.Lines[1]; {
	case strings.Contains(op, "RPV"):
		return orange
	case strings.Contains(op, "DOMAIN"):
		return red
	}
	return blue
}

func (p *People) insert(from Keyset) ([]string, error) {
	if len(from.Keys) == 0 {
		return nil, nil
	}
	if p.next >= len(from.Keys) {
		return nil, fmt.Errorf("the PED wants more than %d keys", len(from.Keys))
	}
	p.last = from.Keys[p.next]
	p.next++
	return []string{"insert " + p.last.Name, "press E"}, nil
}

func press(keys string) []string { return []string{"press " + keys} }
