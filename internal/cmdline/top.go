package cmdline

import (
	"fmt"
	"slices"
	"strings"
)

// Top is a top-level option of a program: -mode with its words, or -regen
// without any.
type Top struct {
	Name  string
	Short string // another spelling: "m"
	Words []string
}

// The two options that every program has.
const (
	TopHelp    = "help"
	TopVersion = "version"
)

// Choose takes the one top-level option out of args: "-mode start", "-m start",
// "mode start" at the front, "--mode=start". It returns the option's name, its
// word in lower case, and the other arguments. With no args, or with -help
// anywhere, name is TopHelp, and rest what help is wanted about: the option and its
// word.
func Choose(args []string, tops []Top) (name, word string, rest []string, err error) {
	if len(args) == 0 {
		return TopHelp, "", nil, nil
	}
	switch about := slices.IndexFunc(args, isHelp); {
	case about > 0 || about == 0 && len(args) == 1:
		return TopHelp, "", slices.Delete(slices.Clone(args), about, len(args)), nil
	case about == 0, bare(args[0]) == TopHelp:
		return TopHelp, "", args[1:], nil
	case bare(args[0]) == TopVersion:
		return TopVersion, "", nil, nil
	}
	var found *Top
	for i := 0; i < len(args); i++ {
		t, value, inline := top(args[i], tops, i == 0)
		if t == nil {
			rest = append(rest, args[i])
			continue
		}
		if !inline && t.Words != nil && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
			value = args[i]
		}
		value = strings.ToLower(value)
		switch {
		case found != nil:
			return "", "", nil, &UsageError{Msg: strings.TrimSpace(fmt.Sprintf("two top-level options: -%s and -%s",
				strings.TrimSpace(name+" "+word), strings.TrimSpace(t.Name+" "+Printable(value)))), Hint: "give one of them"}
		case t.Words == nil && inline:
			return "", "", nil, &UsageError{Msg: fmt.Sprintf("-%s takes no value", t.Name)}
		case t.Words != nil && !slices.Contains(t.Words, value):
			return "", "", nil, t.unknown(value)
		}
		found, name, word = t, t.Name, value
	}
	if found == nil {
		return "", "", nil, noTop(args[0], tops)
	}
	return name, word, rest, nil
}

func bare(arg string) string {
	return strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"))
}

func isHelp(arg string) bool {
	return slices.Contains([]string{"-h", "-help", "--help", "-?", "/?"}, strings.ToLower(arg))
}

// top returns which top-level option arg is. The first argument needs no dash.
func top(arg string, tops []Top, first bool) (t *Top, value string, inline bool) {
	if !first && !strings.HasPrefix(arg, "-") {
		return nil, "", false
	}
	b, value, inline := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
	for i := range tops {
		if strings.EqualFold(b, tops[i].Name) || tops[i].Short != "" && strings.EqualFold(b, tops[i].Short) {
			return &tops[i], value, inline
		}
	}
	return nil, "", false
}

func (t *Top) unknown(word string) error {
	want := "one of " + strings.Join(t.Words, ", ")
	if word == "" {
		return &UsageError{Msg: fmt.Sprintf("-%s needs a value", t.Name), Hint: want}
	}
	e := &UsageError{Msg: fmt.Sprintf("unknown %s %q", t.Name, Printable(word)), Hint: want}
	if n := Nearest(word, t.Words); n != "" {
		e.Hint = fmt.Sprintf("did you mean -%s %s?", t.Name, n)
	}
	return e
}

// noTop is the error for a command line without a top-level option; arg is its
// first argument.
func noTop(arg string, tops []Top) error {
	var names []string
	for _, t := range tops {
		if t.Words != nil && slices.Contains(t.Words, bare(arg)) { // "pedserver start"
			return &UsageError{Msg: "unknown option " + Printable(arg), Hint: fmt.Sprintf("did you mean -%s %s?", t.Name, bare(arg))}
		}
		names = append(names, t.Name)
	}
	e := &UsageError{Msg: "unknown option " + Printable(arg), Hint: "begin with -" + strings.Join(names, " or -")}
	if len(tops) == 1 {
		e.Hint += " and one of " + strings.Join(tops[0].Words, ", ")
	}
	if n := Nearest(bare(arg), names); n != "" {
		e.Hint = "did you mean -" + n + "?"
	}
	return e
}
