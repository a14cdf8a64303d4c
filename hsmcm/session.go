package hsmcm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
)

const defaultSlot = 1

var errExit = errors.New("exit")

// session is what lasts from command to command: the slot and the connection,
// to which a login belongs.
type session struct {
	std     Streams
	in      *input
	slot    int
	oneShot bool
	sigs    chan os.Signal

	dial   func() (Conn, error)
	client *client // nil until the first command that needs it

	terminated atomic.Bool // SIGTERM came
}

// execute runs one command.
func (s *session) execute(words []string) error {
	if len(words) == 0 {
		return nil
	}
	if slices.ContainsFunc(words[1:], isHelp) {
		words = append([]string{"help"}, slices.DeleteFunc(slices.Clone(words), isHelp)...)
	}
	c, rest, err := lookup(words)
	if err != nil {
		return err
	}
	switch c.name {
	case "exit":
		return errExit
	case "help":
		return s.help(rest)
	}
	o, err := c.parse(rest, s.slot)
	if err != nil {
		return err
	}
	return c.run(context.Background(), s, o)
}

func isHelp(word string) bool {
	return word == "-help" || word == "--help" || word == "-h" || word == "-?"
}

func (s *session) help(words []string) error {
	if len(words) == 0 {
		if s.oneShot {
			printUsage(s.std.Out)
		} else {
			printCommands(s.std.Out)
		}
		return nil
	}
	c, rest, err := lookup(words)
	if err == nil && len(rest) == 0 {
		c.help(s.std.Out)
		return nil
	}
	return err
}

func (s *session) printf(format string, args ...any) { fmt.Fprintf(s.std.Out, format, args...) }

func (s *session) close() {
	if s.client != nil {
		s.client.close()
		s.client = nil
	}
}
