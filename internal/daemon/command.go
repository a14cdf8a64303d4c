package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"openped/internal/admin"
	"openped/internal/background"
	"openped/internal/cmdline"
	"openped/internal/rundir"
)

// startupFailed is how the vendor begins to say it.
const startupFailed = "Startup failed. : "

// showTime is how long a running daemon may take to tell its status.
const showTime = 5 * time.Second

// Main carries out one command line and returns the exit code.
func (p *Program) Main(args []string, stdout, stderr io.Writer) int {
	return cmdline.Report(stderr, p.Name, p.run(args, stdout, stderr))
}

func (p *Program) run(args []string, stdout, stderr io.Writer) error {
	child := background.Detached()
	mode, rest, err := cmdline.Mode(args, p.modes()...)
	if err != nil {
		return err
	}
	switch {
	case mode == "help":
		return p.help(stdout, rest)
	case mode == "version":
		p.banner(stdout)
		return nil
	case len(rest) > 0 && (rest[0] == "-help" || rest[0] == "--help" || rest[0] == "-h"):
		p.banner(stdout)
		p.options(stdout, mode)
		return nil
	}
	job := p.New()
	if rest, err = job.Flags(mode).Parse(rest); err != nil {
		return err
	}
	if len(rest) > 0 {
		return &cmdline.UsageError{Msg: "unexpected argument " + cmdline.Printable(rest[0])}
	}
	if err := job.Check(mode); err != nil {
		return err
	}
	if d, ok := job.(Doer); ok && mode != "start" && mode != "stop" && mode != "show" {
		p.banner(stdout)
		return d.Do(mode, stdout)
	}
	dirs, err := rundir.Find()
	if err != nil {
		return err
	}
	// Only a start makes a process of the background.
	if child != nil && mode == "start" {
		return p.serve(job, dirs, child, stderr)
	}
	p.banner(stdout)
	switch mode {
	case "start":
		return p.start(args, job, dirs, stdout, stderr)
	case "stop":
		return p.stop(job.Common(), dirs, stdout)
	}
	return p.show(job, dirs, stdout)
}

func (p *Program) banner(w io.Writer) {
	fmt.Fprintf(w, "%s Version %s\n", p.Title, cmdline.VersionText())
}

// help prints what fits a screen; with "all", every option.
func (p *Program) help(w io.Writer, about []string) error {
	switch {
	case len(about) == 1 && about[0] == "all":
		p.banner(w)
		fmt.Fprintf(w, "\n%s\n", p.Purpose)
		for _, m := range p.Modes {
			p.options(w, m.Name)
		}
		return nil
	case len(about) > 0:
		return &cmdline.UsageError{Msg: "no help about " + cmdline.Printable(about[0]), Hint: "write -help, -help all, or -mode <mode> -help"}
	}
	p.banner(w)
	fmt.Fprintf(w, "\n%s\n\n", p.Purpose)
	for _, m := range p.Modes {
		line := fmt.Sprintf("  %s -mode %s", p.Name, m.Name)
		if m.Args != "" {
			line += " " + m.Args
		}
		fmt.Fprintf(w, "%s\n        %s\n", line, m.Does)
	}
	fmt.Fprintf(w, "\n  %s -mode <mode> -help    the options of a mode\n", p.Name)
	fmt.Fprintf(w, "  %s -help all             all options\n", p.Name)
	fmt.Fprint(w, "\nExit codes: 0 done, 1 wrong command line, 2 failed, 3 not running.\n")
	return nil
}

func (p *Program) options(w io.Writer, mode string) {
	fmt.Fprintf(w, "\n%s -mode %s [options]\n%s", p.Name, mode, p.New().Flags(mode).Usage())
}

func (p *Program) start(args []string, job Job, dirs rundir.Dirs, stdout, stderr io.Writer) error {
	fmt.Fprintln(stdout, p.Title+" launched in startup mode.")
	if job.Common().Foreground {
		return p.serve(job, dirs, nil, stderr)
	}
	fmt.Fprintln(stdout, "Starting background process")
	r, err := background.Start(context.Background(), args, job.Common().Start)
	if err != nil {
		return cmdline.Failed(fmt.Errorf("%s%w", startupFailed, err), "run it with -foreground to see why")
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(stderr, "%s: warning: %s\n", p.Name, w)
	}
	if !r.Ready {
		return &cmdline.ExitError{Code: max(r.Code, cmdline.ExitUsage), Err: errors.New(startupFailed + r.Error), Hint: r.Hint}
	}
	fmt.Fprintln(stdout, "Background process started")
	fmt.Fprintln(stdout, p.Title+" Process created, exiting this process.")
	return nil
}

func (p *Program) stop(o *Options, dirs rundir.Dirs, stdout io.Writer) error {
	fmt.Fprintln(stdout, p.Title+" launched in shutdown mode.")
	if err := admin.Stop(context.Background(), dirs, p.Name, o.Stop, o.Force); err != nil {
		return p.notRunning(err)
	}
	fmt.Fprintln(stdout, "Background process stopped")
	fmt.Fprintln(stdout, "Stop command passed.")
	return nil
}

func (p *Program) show(job Job, dirs rundir.Dirs, stdout io.Writer) error {
	fmt.Fprintln(stdout, p.Title+" launched in status mode.")
	c, err := admin.NewClient(dirs, p.Name, showTime)
	if err != nil {
		return err
	}
	st := job.Status()
	if err := c.Get(context.Background(), "/v1/show", st); err != nil {
		return p.notRunning(err)
	}
	st.Show(stdout)
	return nil
}

func (p *Program) notRunning(err error) error {
	if !errors.Is(err, admin.ErrNotRunning) {
		return err
	}
	hint := "start it with " + p.Name + " -mode start"
	for _, m := range p.Modes {
		if m.Name == "start" && m.Args != "" {
			hint += " " + m.Args
		}
	}
	return &cmdline.ExitError{Code: cmdline.ExitNotRunning, Err: err, Hint: hint}
}
