package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"openped/internal/cmdline"
	"openped/internal/rc"
	"openped/internal/rundir"
	"openped/internal/service"
	"openped/internal/setting"
)

// ServiceSettings are the settings of a daemon as a service. in are the commands
// that list the first.
func ServiceSettings(in []string) setting.Table {
	return setting.Table{
		{Name: "instance", Value: "service", Kind: setting.Text, Check: rundir.CheckServiceName, Usage: "the service that is meant, by its name", In: in},
		{Name: "winservice", Kind: setting.Switch, Usage: "be the Windows service", In: []string{"start"}},
	}
}

// InService are the commands of -service as a setting's In names them.
func InService(words ...string) (in []string) {
	for _, w := range words {
		in = append(in, "service "+w)
	}
	return in
}

// place returns the folders of the daemon that is meant: that of -instance; else
// one of this user's own if it runs, or is being started, or if only root could
// change what the service has; else the service with the program's name, if there is
// one. Who calls another computer does it as himself.
func (p *Program) place(c *Call) (rundir.Dirs, error) {
	switch {
	case c.Command.Top == topService, p.setting("instance") != nil && c.Values.Given("instance"), p.bool(c.Values, "winservice"):
		return rundir.Service(c.serviceMeant())
	case c.is("start"), c.remote(), c.edits() && !rundir.Privileged():
		return rundir.Find()
	}
	return rundir.FindDaemon(p.Name)
}

// instance is a start that is about a service: this process is to be it, or the
// service manager is to start it.
func (c *Call) instance(run func(*Call) error) error {
	switch {
	case c.Values.Bool("winservice"):
		err := service.Run(c.Dirs.Service, func(ctx context.Context, self *service.Self) error {
			c.ctx = ctx
			return c.be(self, run)
		})
		switch {
		case errors.Is(err, service.ErrUnsupported):
			return &cmdline.UsageError{Msg: "-winservice is for Windows", Hint: "here " + c.Program.Name + " -service install makes it a service"}
		case errors.Is(err, service.ErrConsole): // typed by a person, who wants it to run
			if err := c.refuseSettings(); err != nil {
				return err
			}
			return c.startService()
		}
		return err
	case c.Values.Bool("foreground"):
		return c.be(service.Detect(c.Dirs.Service), run)
	}
	return c.loadAnd(run) // Start has the service manager do it
}

// edits reports whether the command changes files.
func (c *Call) edits() bool {
	switch c.Command.Word {
	case "delete", "assignid", "releaseid", "deleteid":
		return true
	case "config":
		return c.Values.Bool("set")
	}
	return c.Command.Writes
}

// refuseSettings refuses settings on a command line that the service manager would
// not see: they are those of a file.
func (c *Call) refuseSettings() error {
	p := c.Program
	for _, s := range p.Table {
		switch {
		case !c.Values.Given(s.Name):
		case s.Key != "":
			set := p.Name + " -mode config -set"
			if name := c.serviceMeant(); name != p.Name {
				set = fmt.Sprintf("%s -mode config -instance %s -set", p.Name, name)
			}
			return &cmdline.UsageError{Msg: fmt.Sprintf("-%s is not for a service that is started", s.Name), Hint: "set it with " + set}
		case s.Name == "configfile" && c.Command.Word != "install":
			return &cmdline.UsageError{Msg: "-configfile is not for a service that is there already", Hint: "-service install names the file"}
		}
	}
	return nil
}

// be runs the service in this process. Nobody reads what a person would be told;
// why it does not start goes to the service manager too.
func (c *Call) be(self *service.Self, run func(*Call) error) error {
	if self != nil {
		c.Stdout = io.Discard
	}
	c.self = self
	err := c.loadAnd(run)
	switch {
	case err == nil:
	case c.served:
		self.Ended(err.Error())
	default:
		self.Failed(err.Error())
	}
	return err
}

// serviceMeant is the name of the service that the command line is about.
func (c *Call) serviceMeant() string {
	if c.Command.Top != topService && c.Values.Given("instance") {
		return c.Values.Text("instance")
	}
	if c.Command.Top == topService && c.Values.Given("name") {
		return c.Values.Text("name")
	}
	return c.Program.Name
}

// refuseBeside refuses to start a daemon of root's beside the service that runs:
// both would want the same PED and the same ports.
func (c *Call) refuseBeside() error {
	if c.Dirs.Service != "" || os.Getenv(rundir.Env) != "" || !rundir.Privileged() {
		return nil
	}
	st, err := service.Query(c.ctx, c.Program.Name)
	if err != nil || !st.Alive() {
		return nil
	}
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.AlreadyRunning, Err: errors.New(c.Program.Name + " is already running as the service " + st.Name),
		Hint: "end it first with " + c.Program.Name + " -mode stop, or make another with -service install -name"}
}
