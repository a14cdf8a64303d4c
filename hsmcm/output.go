package hsmcm

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"openped/protocol"
	"openped/protocol/hsmapi"
)

// Result lines, as administrators' scripts look for them.
const (
	resultOK    = "Command Result : No Error\n"
	resultOKSet = "Command Result : 0 (Success)\n" // ped set alone says it so
)

// lockedWriter lets a running command's output and the answer to Ctrl-C come
// from two goroutines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// printFailure prints a failed command: its name, one line with the reason and
// the remedy, the result.
func (s *session) printFailure(e *hsmapi.Error) {
	name := e.Code.Name()
	if name == "" {
		name = e.Code.String()
	}
	s.printf("Error in execution: %s.\n", name)
	hint := e.Hint
	if hint == "" {
		hint = e.Code.Hint()
	}
	if line := sentence(e.Msg, hint); line != "" {
		s.printf("%s\n", line)
	}
	s.printf("Command Result : %s\n", e.Code)
}

// sentence is what happened and what to do, in one line for people.
func sentence(msg, hint string) string {
	msg, hint = stop(printable(msg)), stop(printable(hint))
	switch {
	case msg == "" || hint == "":
		return msg + hint
	case strings.Contains(strings.ToLower(msg), strings.ToLower(strings.TrimSuffix(hint, "."))):
		return msg
	}
	return msg + " " + hint
}

// stop makes a clause a sentence.
func stop(s string) string {
	s = strings.TrimRight(s, ". ")
	if s == "" || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "!") {
		return capital(s)
	}
	return capital(s) + "."
}

func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// progress prints what the server says while a command runs.
func (s *session) progress(e hsmapi.Event, f hsmapi.Fields, more func(hsmapi.Event, hsmapi.Fields)) {
	switch e {
	case hsmapi.EventAttend:
		s.printf("Please attend to the PED.\n")
	case hsmapi.EventPassword:
		if pw := f.TakeSecret(hsmapi.TagPassword); pw != nil {
			// To be read out to whoever is at the PED: good for one try.
			io.WriteString(s.std.Out, "Please attend to the PED and enter following password: ")
			s.std.Out.Write(append(digitsOnly(pw.Bytes()), '\n'))
			pw.Destroy()
		} else {
			s.printf("Please attend to the PED and enter the password.\n")
		}
	case hsmapi.EventCaution:
		s.caution(f)
	case hsmapi.EventText:
		for _, t := range f.Texts(hsmapi.TagText) {
			s.printf("%s\n", printable(t))
		}
	}
	if more != nil {
		more(e, f)
	}
}

func digitsOnly(b []byte) []byte {
	out := make([]byte, 0, len(b)+1)
	for _, c := range b {
		if c < '0' || c > '9' {
			c = '?'
		}
		out = append(out, c)
	}
	return out
}

// caution is the warning before a login that brings zeroization closer.
func (s *session) caution(f hsmapi.Fields) {
	left, ok := f.U32(hsmapi.TagAttempts)
	if !ok {
		return
	}
	role := protocol.RoleSO
	if r, ok := f.U8(hsmapi.TagRole); ok {
		role = protocol.Role(r)
	}
	attempts := "attempts"
	if left == 1 {
		attempts = "attempt"
	}
	s.printf("Caution: You have only %d %s login %s left. If you fail %d\n"+
		"more consecutive login %s (i.e. with no successful\n"+
		"logins in between) the HSM will be ZEROIZED!!!\n", left, role, attempts, left, attempts)
}

const proceedText = "Type 'proceed' to continue, or 'quit' to quit now ->"

// question asks what only the administrator may decide.
func (s *session) question(ctx context.Context, p hsmapi.PromptID, f hsmapi.Fields) (bool, error) {
	switch p {
	case hsmapi.PromptLastAttempt:
		if left, ok := f.U32(hsmapi.TagAttempts); ok && left > 1 {
			s.caution(f)
		} else {
			s.printf("This is the LAST login attempt: if it fails, the HSM will be ZEROIZED!!!\n")
		}
	case hsmapi.PromptEraseHSM:
		s.printf("The HSM will be erased: all it holds and its roles will be lost.\n")
	default:
		return false, nil // a question of a newer pedclient: nothing to agree to
	}
	s.printf("Are you sure you wish to continue?\n")
	ctx, cancel := context.WithTimeoutCause(ctx, promptLimit, os.ErrDeadlineExceeded)
	defer cancel()
	for range 3 {
		answer, err := s.in.ask(ctx, proceedText)
		if errors.Is(err, io.EOF) {
			return false, nil // nobody there is a no
		}
		if err != nil {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "proceed":
			return true, nil
		case "quit", "q", "":
			return false, nil
		}
	}
	return false, nil
}

// since is a time span for people, in whole seconds.
func since(seconds uint32) string { return (time.Duration(seconds) * time.Second).String() }
