package cli

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
	"openped/pedclient"
)

const name = "pedclient"

var modes = []string{"start", "stop", "show", "createhsm"}

// startupFailed is how the vendor begins to say it.
const startupFailed = "Startup failed. : "

// Main carries out one command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	return cmdline.Report(stderr, name, run(args, stdout, stderr))
}

func run(args []string, stdout, stderr io.Writer) error {
	child := background.Detached()
	mode, rest, err := cmdline.Mode(args, modes...)
	if err != nil {
		return err
	}
	switch mode {
	case "help":
		usage(stdout)
		return nil
	case "version":
		banner(stdout)
		return nil
	}
	if len(rest) > 0 && (rest[0] == "-help" || rest[0] == "--help" || rest[0] == "-h") {
		usage(stdout)
		return nil
	}
	o, err := parse(mode, rest)
	if err != nil {
		return err
	}
	if mode == "createhsm" {
		return create(o, stdout)
	}
	dirs, err := rundir.Find()
	if err != nil {
		return err
	}
	if child != nil {
		return serve(o, dirs, child, stderr)
	}
	banner(stdout)
	switch mode {
	case "start":
		return start(args, o, dirs, stdout, stderr)
	case "stop":
		return stop(o, dirs, stdout)
	default:
		return show(dirs, stdout)
	}
}

func banner(w io.Writer) { fmt.Fprintf(w, "Ped Client Version %s\n", cmdline.VersionText()) }

func usage(w io.Writer) {
	banner(w)
	fmt.Fprint(w, "\nRuns the HSM slots of this host and connects them to remote PEDs.\n")
	for _, m := range modes {
		fmt.Fprintf(w, "\npedclient -mode %s [options]\n%s", m, defaults().flags(m).Usage())
	}
	fmt.Fprint(w, "\nExit codes: 0 done, 1 wrong command line, 2 failed, 3 not running.\n")
}

func start(args []string, o *options, dirs rundir.Dirs, stdout, stderr io.Writer) error {
	fmt.Fprintln(stdout, "Ped Client launched in startup mode.")
	if o.foreground {
		return serve(o, dirs, nil, stderr)
	}
	fmt.Fprintln(stdout, "Starting background process")
	r, err := background.Start(context.Background(), args, o.bgStart)
	if err != nil {
		return cmdline.Failed(fmt.Errorf("%s%w", startupFailed, err), "run it with -foreground to see why")
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(stderr, "%s: warning: %s\n", name, w)
	}
	if !r.Ready {
		return &cmdline.ExitError{Code: max(r.Code, cmdline.ExitUsage), Err: errors.New(startupFailed + r.Error), Hint: r.Hint}
	}
	fmt.Fprintln(stdout, "Background process started")
	fmt.Fprintln(stdout, "Ped Client Process created, exiting this process.")
	return nil
}

func stop(o *options, dirs rundir.Dirs, stdout io.Writer) error {
	fmt.Fprintln(stdout, "Ped Client launched in shutdown mode.")
	if err := admin.Stop(context.Background(), dirs, name, o.bgShutdown, o.force); err != nil {
		return notRunning(err)
	}
	fmt.Fprintln(stdout, "Background process stopped")
	fmt.Fprintln(stdout, "Stop command passed.")
	return nil
}

func show(dirs rundir.Dirs, stdout io.Writer) error {
	fmt.Fprintln(stdout, "Ped Client launched in status mode.")
	c, err := admin.NewClient(dirs, name, 5*time.Second)
	if err != nil {
		return err
	}
	var st pedclient.Status
	if err := c.Get(context.Background(), "/v1/show", &st); err != nil {
		return notRunning(err)
	}
	st.Show(stdout)
	return nil
}

func notRunning(err error) error {
	if errors.Is(err, admin.ErrNotRunning) {
		return &cmdline.ExitError{Code: cmdline.ExitNotRunning, Err: err, Hint: "start it with pedclient -mode start -hsm <file>"}
	}
	return err
}

func create(o *options, stdout io.Writer) error {
	banner(stdout)
	c, err := pedclient.CreateHSM(o.hsm[0], o.serial, o.firmware, o.origin)
	if err != nil {
		return err
	}
	if c.NewRoot {
		fmt.Fprintf(stdout, "Origin root created:  %s\n", c.RootFile)
		fmt.Fprintf(stdout, "  Its private key is in %s. Whoever has that can make HSMs that PEDs believe: keep it offline.\n", c.KeyFile)
	} else {
		fmt.Fprintf(stdout, "Origin root used:     %s\n", c.RootFile)
	}
	fmt.Fprintf(stdout, "Virtual HSM created:  %s (serial %s, firmware %s)\n", o.hsm[0], o.serial, o.firmware)
	fmt.Fprintf(stdout, `Next steps:
  1. pedclient -mode start -hsm %s
  2. give the PED the origin root (softped -root %s)
  3. hsmcm ped connect -ip <address of the PEDserver> -password
  4. hsmcm ped vector init
`, o.hsm[0], c.RootFile)
	return nil
}
