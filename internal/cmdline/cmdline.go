package cmdline

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Flag is one option.
type Flag struct {
	Name    string
	Aliases []string             // other spellings, without dash
	Value   string               // what the value is called in the usage text; empty for a switch
	Usage   string               // one line
	Range   string               // what values there are: "1 to 65535"; may be empty
	Many    bool                 // may be given more than once
	Set     func(v string) error // v is "1" for a switch, or 0 or 1 from -switch=0
}

// Set is the options of one command.
type Set struct {
	flags []*Flag
}

// Add appends flags.
func (s *Set) Add(flags ...*Flag) { s.flags = append(s.flags, flags...) }

// Parse handles args from left to right and returns what is neither a flag nor
// a flag's value. Spelling is free in case. A flag that is not Many is refused
// the second time. Errors are *UsageError.
func (s *Set) Parse(args []string) (rest []string, err error) {
	seen := make(map[*Flag]bool)
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if len(arg) < 2 || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		name, value, inline := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		f := s.lookup(name)
		if f == nil {
			return nil, s.unknown(name)
		}
		if seen[f] && !f.Many {
			return nil, &UsageError{Msg: fmt.Sprintf("flag -%s given twice", f.Name)}
		}
		seen[f] = true
		switch {
		case f.Value == "" && inline && value != "0" && value != "1":
			return nil, &UsageError{Msg: fmt.Sprintf("flag -%s takes no value", f.Name)}
		case f.Value == "" && !inline:
			value = "1"
		case f.Value != "" && !inline:
			if len(args) == 0 || s.looksLikeFlag(args[0]) {
				return nil, &UsageError{Msg: fmt.Sprintf("flag -%s needs a value <%s>%s", f.Name, f.Value, f.rangeHint())}
			}
			value = args[0]
			args = args[1:]
		}
		if err := f.Set(value); err != nil {
			return nil, &UsageError{Msg: fmt.Sprintf("flag -%s: %v", f.Name, err)}
		}
	}
	return rest, nil
}

// looksLikeFlag reports whether a value position holds a known flag: "-ip -port
// 1503" has forgotten the address. A lone "-" and negative numbers are values.
func (s *Set) looksLikeFlag(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
	return s.lookup(name) != nil
}

func (s *Set) lookup(name string) *Flag {
	for _, f := range s.flags {
		if strings.EqualFold(f.Name, name) {
			return f
		}
		for _, a := range f.Aliases {
			if strings.EqualFold(a, name) {
				return f
			}
		}
	}
	return nil
}

func (s *Set) unknown(name string) error {
	var names []string
	for _, f := range s.flags {
		names = append(names, f.Name)
		names = append(names, f.Aliases...)
	}
	e := &UsageError{Msg: fmt.Sprintf("unknown flag -%s", Printable(name)), Hint: "-help lists them"}
	if n := Nearest(name, names); n != "" {
		e.Hint = "did you mean -" + n + s.lookup(n).rangeHint() + "?"
	}
	return e
}

// rangeHint is the range in brackets behind a blank, or nothing.
func (f *Flag) rangeHint() string {
	if f.Range == "" {
		return ""
	}
	return " (" + f.Range + ")"
}

// Usage lists the flags for a usage text, one per line.
func (s *Set) Usage() string {
	var b strings.Builder
	for _, f := range s.flags {
		left := "-" + f.Name
		if f.Value != "" {
			left += " <" + f.Value + ">"
		}
		fmt.Fprintf(&b, "  %-32s %s\n", left, f.Usage)
	}
	return b.String()
}

// String stores a value of at least one byte.
func String(dst *string) func(string) error {
	return func(v string) error {
		if v == "" {
			return fmt.Errorf("empty value")
		}
		*dst = v
		return nil
	}
}

// Strings appends each value.
func Strings(dst *[]string) func(string) error {
	return func(v string) error {
		if v == "" {
			return fmt.Errorf("empty value")
		}
		*dst = append(*dst, v)
		return nil
	}
}

// Int stores a whole number from min to max.
func Int(dst *int, min, max int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", Printable(v))
		}
		if n < min || n > max {
			return fmt.Errorf("%d is outside %d to %d", n, min, max)
		}
		*dst = n
		return nil
	}
}

// Port stores a TCP port from 1 to 65535.
func Port(dst *int) func(string) error { return Int(dst, 1, 65535) }

// Seconds stores a duration given in whole seconds from min to max.
func Seconds(dst *time.Duration, min, max int) func(string) error {
	return func(v string) error {
		var n int
		if err := Int(&n, min, max)(v); err != nil {
			return fmt.Errorf("%w (seconds)", err)
		}
		*dst = time.Duration(n) * time.Second
		return nil
	}
}

// Bit stores 0 or 1, the vendor's way to switch something.
func Bit(dst *bool) func(string) error {
	return func(v string) error {
		if v != "0" && v != "1" {
			return fmt.Errorf("%q is neither 0 nor 1", Printable(v))
		}
		*dst = v == "1"
		return nil
	}
}

// Switch stores true.
func Switch(dst *bool) func(string) error {
	return func(string) error { *dst = true; return nil }
}
