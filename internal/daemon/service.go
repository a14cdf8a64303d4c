package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"openped/internal/cmdline"
	"openped/internal/rc"
	"openped/internal/service"
)

// topService is the top-level option that manages services.
const topService = "service"

// ServiceCommands are the commands of -service for a program.
func ServiceCommands(program string) []Command {
	h := serviceHelp(program)
	return []Command{
		{Top: topService, Word: "install", Help: h.install, Run: (*Call).installService},
		{Top: topService, Word: "uninstall", Help: h.uninstall, AnyConfig: true, Run: (*Call).uninstallService},
		{Top: topService, Word: "start", Help: h.start, AnyConfig: true, Run: (*Call).startService},
		{Top: topService, Word: "stop", Help: h.stop, AnyConfig: true, Run: (*Call).stopServiceCommand},
		{Top: topService, Word: "restart", Help: h.restart, AnyConfig: true, Run: (*Call).restartService},
		{Top: topService, Word: "status", Help: h.status, AnyConfig: true, Run: (*Call).statusOfService},
	}
}

// serviceName is which service -service is about.
func (c *Call) serviceName() string {
	if c.Values.Given("name") {
		return c.Values.Text("name")
	}
	return c.Program.Name
}

// installService makes the service and starts it. A configuration that it could
// not start with is refused before anything is made.
func (c *Call) installService() error {
	p, name := c.Program, c.Dirs.Service
	if err := p.Check(true, c.Values); err != nil {
		return badConfig(fmt.Errorf("%s: %w", c.ConfigPath, err), fmt.Sprintf("%s -mode config -instance %s -set sets it", p.Name, name))
	}
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	spec := service.Spec{Kind: p.Service, Name: name, Path: exe}
	if c.explicit() {
		spec.Args = []string{"-configfile", c.ConfigPath}
	}
	c.launched("")
	if err := service.Install(c.ctx, spec); err != nil {
		return serviceError(err, p.Name)
	}
	fmt.Fprintf(c.Stdout, "Service %s installed; it starts with this computer.\n", name)
	return c.begun(service.Start(c.ctx, name))
}

// begun says that a service has started, or why it has not.
func (c *Call) begun(st service.State, err error) error {
	if err != nil {
		return serviceError(err, c.Program.Name)
	}
	fmt.Fprintf(c.Stdout, "Service %s started (process %d).\n", st.Name, st.PID)
	return nil
}

func (c *Call) startService() error {
	c.launched("")
	return c.begun(service.Start(c.ctx, c.Dirs.Service))
}

func (c *Call) restartService() error {
	c.launched("")
	return c.begun(service.Restart(c.ctx, c.Dirs.Service))
}

func (c *Call) stopServiceCommand() error {
	c.launched("")
	if err := service.Stop(c.ctx, c.Dirs.Service); err != nil {
		return serviceError(err, c.Program.Name)
	}
	fmt.Fprintf(c.Stdout, "Service %s stopped.\n", c.Dirs.Service)
	return nil
}

// uninstallService takes the service away, and says what stays.
func (c *Call) uninstallService() error {
	c.launched("")
	if err := service.Uninstall(c.ctx, c.Dirs.Service); err != nil {
		return serviceError(err, c.Program.Name)
	}
	fmt.Fprintf(c.Stdout, "Service %s stopped and removed.\n", c.Dirs.Service)
	for _, kept := range []string{c.ConfigPath, c.Dirs.Data, c.Dirs.State} {
		if there(kept) {
			fmt.Fprintf(c.Stdout, "Kept: %s\n", kept)
		}
	}
	return nil
}

// stopManaged ends a daemon that the service manager would start again, through
// that. It reports whether it is one.
func (c *Call) stopManaged() (managed bool, err error) {
	if c.Dirs.Service == "" || c.remote() {
		return false, nil
	}
	st, err := service.Query(c.ctx, c.Dirs.Service)
	if err != nil || !st.Installed || !st.Alive() {
		return false, nil // started by hand, or not at all
	}
	if err := service.Stop(c.ctx, st.Name); err != nil {
		return true, serviceError(err, c.Program.Name)
	}
	return true, nil
}

// statusOfService tells how the service stands. The exit code is 3 unless it runs.
func (c *Call) statusOfService() error {
	st, err := service.Query(c.ctx, c.Dirs.Service)
	if err != nil {
		return serviceError(err, c.Program.Name)
	}
	if st.ConfigFile == "" {
		st.ConfigFile = c.ConfigPath
	}
	if c.JSON() {
		err = c.Print(st)
	} else {
		c.launched("")
		c.showService(st)
	}
	switch {
	case err != nil:
		return err
	case !st.Installed:
		return &cmdline.ExitError{Code: cmdline.ExitNotRunning, RC: rc.NotRunning, Err: fmt.Errorf("service %s %w", st.Name, service.ErrNotInstalled), Hint: installHint(c.Program.Name)}
	case st.Phase != service.Running:
		return &cmdline.ExitError{Code: cmdline.ExitNotRunning, RC: rc.NotRunning, Err: fmt.Errorf("service %s is not running", st.Name), Hint: "start it with " + c.Program.Name + " -service start"}
	}
	return nil
}

func (c *Call) showService(st service.State) {
	row := func(key, value string) { fmt.Fprintf(c.Stdout, "  %-22s %s\n", key+":", cmdline.Printable(value)) }
	fmt.Fprintln(c.Stdout, "Service Information:")
	row("Name", fmt.Sprintf("%s (%s)", st.Name, st.Manager))
	if !st.Installed {
		row("State", "not installed")
		return
	}
	state := string(st.Phase)
	if st.PID != 0 {
		state += fmt.Sprintf(" (process %d)", st.PID)
	}
	row("State", state)
	row("Starts At Boot", map[bool]string{true: "Yes", false: "No"}[st.AtBoot])
	row("Restarts", fmt.Sprint(st.Restarts))
	row("Definition", st.Definition)
	row("Configuration File", st.ConfigFile)
	if st.Said != "" {
		row("It Says", st.Said)
	}
}

func installHint(program string) string { return program + " -service install makes it" }

// serviceError gives an error of the service manager's its code and its remedy.
func serviceError(err error, program string) error {
	e := &cmdline.ExitError{Code: cmdline.ExitFailed, Err: err}
	var start *service.StartError
	var packaged *service.PackagedError
	switch {
	case errors.As(err, &start): // the cause has its code already
		if start.State.Phase == service.Retrying {
			e.Hint = start.State.Manager + " goes on trying; " + program + " -service status shows it"
		}
	case errors.As(err, &packaged):
		e.RC, e.Hint = rc.InUse, packaged.Hint()
	case errors.Is(err, service.ErrRights):
		e.RC, e.Hint = rc.AccessDenied, "run it as root, or as an administrator"
	case errors.Is(err, service.ErrNotInstalled):
		e.RC, e.Hint = rc.NotRunning, installHint(program)
		e.Code = cmdline.ExitNotRunning
	case errors.Is(err, service.ErrInstalled):
		e.RC, e.Hint = rc.Exists, "choose another -name, or -service uninstall it first"
	case errors.Is(err, service.ErrNoManager):
		e.Hint = "start it with " + program + " -mode start"
	}
	return e
}
