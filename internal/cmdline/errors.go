package cmdline

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"openped/internal/rc"
)

// Exit codes of every binary.
const (
	ExitOK         = 0 // done
	ExitUsage      = 1 // the command line is wrong; nothing was done
	ExitFailed     = 2 // it was tried and failed
	ExitNotRunning = 3 // the daemon is not running
)

// UsageError is a command line that can not be carried out.
type UsageError struct {
	Msg  string
	Hint string // may be empty
}

func (e *UsageError) Error() string { return joinHint(e.Msg, e.Hint) }

// ExitError is a failure with its exit code and a remedy.
type ExitError struct {
	Code int
	RC   rc.Code // 0: none
	Err  error
	Hint string // may be empty
}

func (e *ExitError) Error() string { return joinHint(e.Message(), e.Hint) }

// Message is the error without its remedy.
func (e *ExitError) Message() string {
	if e.RC == 0 {
		return e.Err.Error()
	}
	return e.RC.String() + ": " + e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// Failed wraps err with a remedy; the exit code is ExitFailed.
func Failed(err error, hint string) error {
	return &ExitError{Code: ExitFailed, Err: err, Hint: hint}
}

func joinHint(msg, hint string) string {
	if hint == "" {
		return msg
	}
	return msg + "; " + hint
}

// Report prints err as one line of the program called prog and returns the
// exit code it stands for. A nil err prints nothing and is ExitOK.
func Report(w io.Writer, prog string, err error) int {
	if err == nil {
		return ExitOK
	}
	fmt.Fprintf(w, "%s: %s\n", prog, Printable(err.Error()))
	var ue *UsageError
	var ee *ExitError
	switch {
	case errors.As(err, &ee):
		return ee.Code
	case errors.As(err, &ue):
		return ExitUsage
	}
	return ExitFailed
}

// Printable replaces what could end a line or steer a terminal, so that an
// argument or a peer's text can be shown.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '?'
		}
		return r
	}, s)
}

// Nearest returns the name that name was most likely meant to be, or "" when
// none is close.
func Nearest(name string, names []string) string {
	name = strings.ToLower(name)
	if len(name) > 64 {
		return ""
	}
	best, bestDist := "", 1+max(2, len(name)/3)
	for _, n := range names {
		l := strings.ToLower(n)
		d := distance(name, l)
		// A cut-short name ("-idle") is near whatever it begins.
		if len(name) >= 3 && strings.HasPrefix(l, name) {
			d = 1
		}
		if d < bestDist {
			best, bestDist = n, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, change or swap with
// their neighbour to get from a to b.
func distance(a, b string) int {
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
