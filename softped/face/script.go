package face

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"openped/protocol"
	"openped/softped"
)

// ErrQuit is returned by Script.Run when the script said "quit".
var ErrQuit = errors.New("quit")

// Limits of the line protocol.
const (
	maxLine     = 256 // bytes
	defaultWait = 60 * time.Second
	maxWait     = time.Hour
)

// Script operates a PED by lines: one command each, answered by one line that
// starts with "ok" or "err". Lines before the answer start with "|" or "screen".
//
//	insert NAME            put a key from the folder into the port
//	remove                 pull it
//	press KEYS             as in "press 1234E"; keys are 0-9 < > Y N E C R
//	wait ID[|ID…] [SECS]   until that screen is shown (60 s)
//	screen                 print the LCD
//	keys                   print the names of the keys in the folder
//	blank NAME             make a blank key
//	mode remote|local|pair choose a mode, as in the menu
//	plug                   plug the USB cable in
//	unplug                 pull it
//	quit                   end
type Script struct {
	PED   *softped.PED
	Out   io.Writer
	Echo  bool  // print every screen as it is shown
	Cable Cable // nil: there is none to pull

	mu     sync.Mutex // one answer, or one screen, at a time
	follow *softped.Follower
}

// Cable is a USB cable that can be pulled at the PED's end.
type Cable interface {
	Plug() error
	Unplug() error
}

var errNoCable = errors.New("there is no USB cable here to pull: start softped with -usbip, -vhci or -gadget")

// Run takes commands from in until it ends (nil), says "quit" (ErrQuit), or ctx
// ends. A command that waits is given up with ctx.
func (s *Script) Run(ctx context.Context, in io.Reader) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.follow = s.PED.Follow()
	if s.Echo {
		echo := s.PED.Follow()
		var done sync.WaitGroup
		done.Go(func() { s.echo(ctx, echo) })
		defer done.Wait()
		defer stop()
	}
	r := bufio.NewReaderSize(in, maxLine)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return errors.New("script line is too long")
		}
		if text := bytes.TrimSpace(line); len(text) > 0 && text[0] != '#' {
			answer, cmdErr := s.command(ctx, text)
			clear(line) // it may have been a PIN
			if cmdErr != nil && !errors.Is(cmdErr, ErrQuit) {
				answer = "err " + oneLine(cmdErr.Error())
			}
			s.print(answer)
			if errors.Is(cmdErr, ErrQuit) {
				return ErrQuit
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

func (s *Script) command(ctx context.Context, line []byte) (string, error) {
	verb, rest, _ := bytes.Cut(line, []byte(" "))
	rest = bytes.TrimSpace(rest)
	switch string(verb) {
	case "press":
		return "ok", s.press(rest)
	case "insert":
		return "ok", s.PED.Insert(string(rest))
	case "remove":
		s.PED.Remove()
		return "ok", nil
	case "wait":
		return s.wait(ctx, strings.Fields(string(rest)))
	case "screen":
		sc := s.PED.Screen()
		s.print(strings.Join(sc.Boxed(), "\n"))
		return "ok " + sc.ID, nil
	case "keys":
		names, err := s.PED.Keys()
		return strings.TrimSpace("ok " + strings.Join(names, " ")), err
	case "blank":
		return "ok", s.PED.NewKey(string(rest))
	case "mode":
		for _, m := range []protocol.PEDMode{protocol.PEDModeRemote, protocol.PEDModeLocal, protocol.PEDModePair} {
			if m.String() == string(rest) {
				return "ok", s.PED.SetMode(m)
			}
		}
		return "", softped.ErrMode
	case "plug", "unplug":
		if s.Cable == nil {
			return "", errNoCable
		}
		if string(verb) == "plug" {
			return "ok", s.Cable.Plug()
		}
		return "ok", s.Cable.Unplug()
	case "quit":
		return "ok", ErrQuit
	}
	return "", errors.New("unknown command: use insert, remove, press, wait, screen, keys, blank, mode, plug, unplug or quit")
}

// press checks all keys before it presses the first.
func (s *Script) press(keys []byte) error {
	if len(keys) == 0 {
		return softped.ErrKey
	}
	for _, k := range keys {
		if bytes.IndexByte([]byte("0123456789<>YNECRynecr"), k) < 0 {
			return softped.ErrKey
		}
	}
	for _, k := range keys {
		if err := s.PED.Press(rune(k)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Script) wait(ctx context.Context, args []string) (string, error) {
	if len(args) < 1 || len(args) > 2 {
		return "", errors.New("usage: wait SCREEN[|SCREEN…] [SECONDS]")
	}
	limit := defaultWait
	if len(args) == 2 {
		d, err := time.ParseDuration(args[1] + "s")
		if err != nil || d < 0 || d > maxWait {
			return "", errors.New("seconds are 0 to 3600")
		}
		limit = d
	}
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	sc, err := s.follow.Wait(ctx, strings.Split(args[0], "|")...)
	return "ok " + sc.ID, err
}

func (s *Script) echo(ctx context.Context, f *softped.Follower) {
	for {
		sc, err := f.Next(ctx)
		if err != nil {
			return
		}
		s.print("screen " + sc.ID + "\n" + strings.Join(sc.Boxed(), "\n"))
	}
}

func (s *Script) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.Out, text)
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
