package daemon

import (
	"errors"
	"fmt"

	"openped/internal/service"
)

// topService is the top-level option that manages services.
const topService = "service"

// ServiceCommands are the commands of -service for a program.
func ServiceCommands(program string) []Command {
	h := serviceHelp(program)
	return []Command{
		{Top: topService, Word: "install", Help: h.install, Run: (*Call).installService},
		{Top: topService, Word: "prepare", Help: h.prepare, AnyConfig: true, Run: (*Call).prepareService},
		{Top: topService, Word: "uninstall", Help: h.uninstall, AnyConfig: true, Run: (*Call).uninstallService},
		{Top: topService, Word: "start", Help: h.start, AnyConfig: true, Run: (*Call).startService},
		{Top: topService, Word: "stop", Help: h.stop, AnyConfig: true, Run: (*Call).stopServiceCommand},
		{Top: topService, Word: "restart", Help: h.restart, AnyConfig: true, Run: (*Call).restartService},
		{Top: topService, Word: "status", Help: h.status, AnyConfig: true, Run: (*Call).statusOfService},
	}
}

// installService makes the service and starts it. A configuration that it could
// not start with is refused before anything is made.
func (c *Call) installService() error {
	p, name := c.Program, c.Dirs.Service
	if err := p.Check(true, c.Values); err != nil {
		return badConfig(fmt.Errorf("%s: %w", c.ConfigPath, err), fmt.Sprintf("%s -mode config -instance %s -set sets it", p.Name, name))
	}
	if err := service.Readable(c.ConfigPath, p.Name); err != nil {
		return badConfig(err, "")
	}
	spec := service.Spec{Kind: p.Service, Name: name}
	if c.explicit() {
		spec.Args = []string{"-configfile", c.ConfigPath}
	}
	c.launched("")
	return service.InstallAndStart(c.ctx, c.Stdout, spec)
}

// prepareService is for packages that make the service themselves.
func (c *Call) prepareService() error {
	c.launched("")
	if err := service.Prepare(c.ctx, service.Spec{Kind: c.Program.Service, Name: c.Dirs.Service}); err != nil {
		return service.Explain(err, c.Program.Name)
	}
	fmt.Fprintf(c.Stdout, "Service %s prepared.\n", c.Dirs.Service)
	return nil
}

// begun says that a service has started, or why it has not.
func (c *Call) begun(st service.State, err error) error {
	return st.Begun(c.Stdout, c.Program.Name, err)
}

func (c *Call) startService() error {
	c.launched("")
	return c.begun(service.Start(c.ctx, c.Program.Name, c.Dirs.Service))
}

func (c *Call) restartService() error {
	c.launched("")
	return c.begun(service.Restart(c.ctx, c.Program.Name, c.Dirs.Service))
}

func (c *Call) stopServiceCommand() error {
	c.launched("")
	if err := service.Stop(c.ctx, c.Program.Name, c.Dirs.Service); err != nil {
		return service.Explain(err, c.Program.Name)
	}
	fmt.Fprintf(c.Stdout, "Service %s stopped.\n", c.Dirs.Service)
	return nil
}

// uninstallService takes the service away, and says what stays.
func (c *Call) uninstallService() error {
	c.launched("")
	if err := service.Uninstall(c.ctx, c.Program.Name, c.Dirs.Service); err != nil {
		return service.Explain(err, c.Program.Name)
	}
	fmt.Fprintf(c.Stdout, "Service %s stopped and removed.\n", c.Dirs.Service)
	for _, kept := range []string{c.ConfigPath, c.Dirs.Data, c.Dirs.State} {
		if exists(kept) {
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
	switch {
	case errors.Is(err, service.ErrNoManager):
		return false, nil
	case err != nil:
		return true, service.Explain(err, c.Program.Name)
	case !st.Installed || st.Over():
		return false, nil // started by hand, or not at all
	}
	if err := service.Stop(c.ctx, c.Program.Name, st.Name); err != nil {
		return true, service.Explain(err, c.Program.Name)
	}
	return true, nil
}

// statusOfService tells how the service stands. The exit code is 3 unless it runs.
func (c *Call) statusOfService() error {
	st, err := service.Query(c.ctx, c.Dirs.Service)
	if err != nil {
		return service.Explain(err, c.Program.Name)
	}
	if st.ConfigFile == "" {
		st.ConfigFile = c.ConfigPath
	}
	if c.JSON() {
		err = c.Print(st)
	} else {
		c.launched("")
		st.Show(c.Stdout)
	}
	if err != nil {
		return err
	}
	return st.NotRunning(c.Program.Name)
}
