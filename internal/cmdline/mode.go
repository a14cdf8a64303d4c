package cmdline

import (
	"fmt"
	"strings"
)

// Mode takes the mode word from the front of args: "-mode start", "-m start",
// "mode start". It returns the word in lower case and what follows. With no
// args, or -h or -help, word is "help", and rest what help is wanted for.
func Mode(args []string, modes ...string) (word string, rest []string, err error) {
	want := "one of " + strings.Join(modes, ", ")
	if len(args) == 0 {
		return "help", nil, nil
	}
	first, value, inline := strings.Cut(strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(args[0], "-"), "-")), "=")
	switch first {
	case "h", "help", "?":
		return "help", args[1:], nil
	case "version":
		return "version", nil, nil
	case "m", "mode":
	default:
		e := &UsageError{Msg: fmt.Sprintf("unknown option %s", Printable(args[0])), Hint: "begin with -mode and " + want}
		for _, m := range modes {
			if m == first { // "pedserver start"
				e.Hint = "did you mean -mode " + m + "?"
			}
		}
		return "", nil, e
	}
	rest = args[1:]
	if !inline {
		if len(rest) == 0 {
			return "", nil, &UsageError{Msg: "-mode needs a value", Hint: want}
		}
		value, rest = strings.ToLower(rest[0]), rest[1:]
	}
	for _, m := range modes {
		if m == value {
			return value, rest, nil
		}
	}
	e := &UsageError{Msg: fmt.Sprintf("unknown mode %q", Printable(value)), Hint: want}
	if n := Nearest(value, modes); n != "" {
		e.Hint = "did you mean -mode " + n + "?"
	}
	return "", nil, e
}
