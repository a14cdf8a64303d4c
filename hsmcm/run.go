package hsmcm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"openped/internal/cmdline"
	"openped/internal/rundir"
)

const promptText = "hsmcm:>"

// Streams are the console's ends. Line editing and hidden input need In and
// Out to be a terminal.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run carries out a command line (without the program's name) and returns the
// exit code: 0 done, 1 usage, 2 failed, 3 pedclient is not running. dial opens
// pedclient's socket.
func Run(args []string, std Streams, dial Dialer) int {
	sigs := make(chan os.Signal, 4)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(sigs)

	var socket, instance string
	slot := defaultSlot
	var help, version bool
	set := new(cmdline.Set)
	set.Add(
		&cmdline.Flag{Name: "socket", Value: "path", Set: cmdline.String(&socket)},
		&cmdline.Flag{Name: "instance", Value: "name", Set: func(v string) error { instance = v; return rundir.CheckServiceName(v) }},
		&cmdline.Flag{Name: "slot", Value: "N", Set: cmdline.Int(&slot, 0, maxSlot)},
		&cmdline.Flag{Name: "help", Aliases: []string{"h", "?"}, Set: cmdline.Switch(&help)},
		&cmdline.Flag{Name: "version", Set: cmdline.Switch(&version)},
	)
	global, args := cutGlobal(args)
	if _, err := set.Parse(global); err != nil {
		return cmdline.Report(std.Err, "hsmcm", err)
	}
	switch {
	case socket != "" && instance != "":
		return cmdline.Report(std.Err, "hsmcm", &cmdline.UsageError{Msg: "-socket with -instance", Hint: "give one of them"})
	case help:
		printUsage(std.Out)
		return cmdline.ExitOK
	case version:
		fmt.Fprintf(std.Out, "hsmcm %s\n", cmdline.VersionText())
		return cmdline.ExitOK
	}

	oneShot := len(args) > 0
	in := newInput(std.In, std.Out, !oneShot)
	std.Out = &lockedWriter{w: std.Out}
	s := &session{
		std: std, slot: slot, oneShot: oneShot, sigs: sigs, in: in,
		dial: func() (Conn, error) { return dial(socket, instance) },
	}
	defer s.close()
	if oneShot {
		err := s.execute(args)
		return s.report(err)
	}
	return s.prompt()
}

// cutGlobal splits off the flags before the first word. Global flags that
// take a value may be written with "=".
func cutGlobal(args []string) (global, rest []string) {
	for i := 0; i < len(args); i++ {
		name, _, inline := strings.Cut(strings.ToLower(strings.TrimLeft(args[i], "-")), "=")
		if !strings.HasPrefix(args[i], "-") {
			return args[:i], args[i:]
		}
		if !inline && (name == "socket" || name == "instance" || name == "slot") {
			i++
		}
	}
	return args, nil
}

// prompt reads and runs commands until exit or the end of input. Over a script
// any failed command shows in the exit code; a person has seen it.
func (s *session) prompt() int {
	if s.in.interactive() {
		fmt.Fprintf(s.std.Out, "hsmcm %s, the HSM administrator's console. help lists the commands, exit leaves.\n", cmdline.Version)
	}
	code := cmdline.ExitOK
	for {
		if s.in.interactive() {
			s.forgetSignals()
		}
		ctx, stop := s.interruptible()
		line, err := s.in.command(ctx, promptText)
		stop()
		switch {
		case errors.Is(err, errLineTooLong):
			fmt.Fprintf(s.std.Err, "hsmcm: a command line has at most %d bytes\n", maxLine)
			return cmdline.ExitFailed
		case err != nil:
			return code // end of input, or Ctrl-C at the prompt
		}
		words, err := split(line)
		if err == nil {
			if len(words) == 0 || strings.HasPrefix(words[0], "#") {
				continue
			}
			err = s.execute(words)
		}
		if errors.Is(err, errExit) {
			return code
		}
		failed := s.report(err)
		if failed != cmdline.ExitOK && !s.in.interactive() {
			code = max(code, cmdline.ExitFailed)
			if failed == cmdline.ExitNotRunning {
				code = cmdline.ExitNotRunning
			}
		}
		fmt.Fprintln(s.std.Out)
		if s.terminated.Load() {
			return cmdline.ExitFailed
		}
	}
}

// forgetSignals drops a Ctrl-C that came when the command it was meant for had
// ended: it must not leave the prompt.
func (s *session) forgetSignals() {
	for {
		select {
		case sig := <-s.sigs:
			if sig == syscall.SIGTERM {
				s.sigs <- sig
				return
			}
		default:
			return
		}
	}
}

// interruptible returns a context that ends with a signal.
func (s *session) interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	go func() {
		select {
		case <-s.sigs:
			cancel(errInterrupted)
		case <-done:
		}
	}()
	return ctx, func() { close(done); cancel(nil) }
}

// report prints an error that is not a result of the HSM's and returns the
// exit code.
func (s *session) report(err error) int {
	var failed *resultError
	switch {
	case errors.As(err, &failed):
		return cmdline.ExitFailed // printed as a result
	case errors.Is(err, errExit):
		return cmdline.ExitOK
	}
	return cmdline.Report(s.std.Err, "hsmcm", err)
}
