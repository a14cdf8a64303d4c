package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/rc"
)

// own is this very program, for the services that are made of it.
func own() (string, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return "", fmt.Errorf("find own program: %w", err)
	}
	return exe, nil
}

// InstallAndStart is the command "-service install": it makes the service of this
// very program, and starts it.
func InstallAndStart(ctx context.Context, out io.Writer, s Spec) error {
	var err error
	if s.Path, err = own(); err != nil {
		return err
	}
	if err := Install(ctx, s); err != nil {
		return Explain(err, s.Program)
	}
	fmt.Fprintf(out, "Service %s installed; it starts with this computer.\n", s.Name)
	st, err := Start(ctx, s.Program, s.Name)
	return st.Begun(out, s.Program, err)
}

// Begun says that a service has started, or why it has not.
func (s State) Begun(out io.Writer, program string, err error) error {
	if err != nil {
		return Explain(err, program)
	}
	fmt.Fprintf(out, "Service %s started (process %d).\n", s.Name, s.PID)
	if w, ok := strings.CutPrefix(s.Said, servesBut); ok {
		fmt.Fprintf(out, "Warning: %s\n", cmdline.Printable(w))
	}
	return nil
}

// Show prints the state for people.
func (s State) Show(w io.Writer) {
	row := func(key, value string) { fmt.Fprintf(w, "  %-22s %s\n", key+":", cmdline.Printable(value)) }
	fmt.Fprintln(w, "Service Information:")
	row("Name", fmt.Sprintf("%s (%s)", s.Name, s.Manager))
	if !s.Installed {
		row("State", "not installed")
		return
	}
	state := string(s.Phase)
	if s.PID != 0 {
		state += fmt.Sprintf(" (process %d)", s.PID)
	}
	row("State", state)
	row("Starts At Boot", map[bool]string{true: "Yes", false: "No"}[s.AtBoot])
	row("Restarts", fmt.Sprint(s.Restarts))
	row("Definition", s.Definition)
	if s.ConfigFile != "" {
		row("Configuration File", s.ConfigFile)
	}
	if s.Said != "" && s.Phase != Stopped {
		row("It Says", s.Said)
	}
}

// NotRunning is nil for a service that runs, else the error with exit code 3.
func (s State) NotRunning(program string) error {
	e := &cmdline.ExitError{Code: cmdline.ExitNotRunning, RC: rc.NotRunning, Err: fmt.Errorf("service %s is not running", s.Name), Hint: "start it with " + program + " -service start" + s.flag(program)}
	switch {
	case s.Phase == Running:
		return nil
	case !s.Installed:
		e.Err, e.Hint = fmt.Errorf("service %s %w", s.Name, ErrNotInstalled), installHint(program)
	}
	return e
}

// flag is what names the service on a command line.
func (s State) flag(program string) string {
	if s.Name == program {
		return ""
	}
	return " -name " + s.Name
}

func installHint(program string) string { return program + " -service install makes it" }

// Explain gives an error of this package its code and its remedy.
func Explain(err error, program string) error {
	e := &cmdline.ExitError{Code: cmdline.ExitFailed, Err: err}
	var start *StartError
	var packaged *PackagedError
	switch {
	case errors.As(err, &start): // the cause has its code already
		if start.State.Phase == Retrying {
			e.Hint = start.State.Manager + " goes on trying; " + program + " -service status" + start.State.flag(program) + " shows it"
		}
	case errors.As(err, &packaged):
		e.RC, e.Hint = rc.InUse, packaged.Hint()
	case errors.Is(err, ErrRights):
		e.RC, e.Hint = rc.AccessDenied, "run it as root, or as an administrator"
	case errors.Is(err, ErrNotInstalled):
		e.Code, e.RC, e.Hint = cmdline.ExitNotRunning, rc.NotRunning, installHint(program)
	case errors.Is(err, ErrForeign):
		e.RC, e.Hint = rc.InUse, "manage it with that program, or choose another -name"
	case errors.Is(err, ErrInstalled):
		e.RC, e.Hint = rc.Exists, "choose another -name, or take that one away with -service uninstall"
	case errors.Is(err, ErrNoManager):
		e.Hint = "start " + program + " without one"
	}
	return e
}
