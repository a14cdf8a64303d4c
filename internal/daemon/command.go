package daemon

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"openped/internal/background"
	"openped/internal/cmdline"
	"openped/internal/setting"
)

// Main carries out one command line and returns the exit code.
func (p *Program) Main(args []string, stdout, stderr io.Writer) int {
	c := &Call{Program: p, Stdin: os.Stdin, Stdout: stdout, Stderr: stderr, args: args, ctx: context.Background(), child: background.Detached()}
	return cmdline.Report(stderr, p.Name, p.run(c))
}

func (p *Program) run(c *Call) error {
	top, word, rest, err := cmdline.Choose(c.args, p.tops())
	if err != nil {
		return err
	}
	switch top {
	case cmdline.TopHelp:
		return p.help(c.Stdout, rest)
	case cmdline.TopVersion:
		p.banner(c.Stdout)
		return nil
	}
	c.Command = p.command(top, word)
	c.Values = setting.New(p.Table)
	if c.Words, err = c.Values.Flags().Parse(rest); err != nil {
		return err
	}
	if err := p.refuse(c); err != nil {
		return err
	}
	if c.Dirs, err = p.place(c); err != nil {
		return err
	}
	run := c.Command.Run
	if run == nil {
		run = frameworks[word]
	}
	// Only a start makes a process of the background.
	if c.child != nil && c.is("start") {
		return c.serve()
	}
	c.child = nil
	if c.is("start") && c.Dirs.Service != "" {
		return c.instance(run)
	}
	return c.loadAnd(run)
}

// loadAnd reads the configuration file, as far as the command wants it, and carries
// the command out.
func (c *Call) loadAnd(run func(*Call) error) error {
	if c.is("reload") && !c.remote() {
		return run(c) // the daemon knows its file
	}
	if err := c.load(); err != nil {
		switch {
		case c.is("start"):
			return startFailure(err)
		case !c.Command.AnyConfig:
			return err
		}
		c.Warn(err.Error())
	}
	return run(c)
}

// frameworks are the commands of every program.
var frameworks = map[string]func(*Call) error{
	"start": (*Call).Start, "stop": (*Call).Stop, "show": (*Call).Show, "config": (*Call).Config, "reload": (*Call).Reload,
}

// tops returns the top-level options in the order of the commands.
func (p *Program) tops() (tops []cmdline.Top) {
	for _, c := range p.Commands {
		i := slices.IndexFunc(tops, func(t cmdline.Top) bool { return t.Name == c.Top })
		if i < 0 {
			i = len(tops)
			tops = append(tops, cmdline.Top{Name: c.Top})
			if c.Top == "mode" {
				tops[i].Short = "m"
			}
		}
		if c.Word != "" {
			tops[i].Words = append(tops[i].Words, c.Word)
		}
	}
	return tops
}

func (p *Program) command(top, word string) *Command {
	for i, c := range p.Commands {
		if c.Top == top && c.Word == word {
			return &p.Commands[i]
		}
	}
	return nil
}

// line is the command as one types it.
func (c *Command) line() string {
	if c.Word == "" {
		return "-" + c.Top
	}
	return "-" + c.Top + " " + c.Word
}

// refuse looks for what the command line lacks, or has and must not.
func (p *Program) refuse(c *Call) error {
	cmd, v := c.Command, c.Values
	config := c.is("config")
	if err := p.refuseService(c); err != nil {
		return err
	}
	switch {
	case len(c.Words) > 0 && !cmd.Positional && !(config && v.Bool("set")):
		return &cmdline.UsageError{Msg: "unexpected argument " + cmdline.Printable(c.Words[0])}
	case config && v.Bool("show") && v.Bool("set"):
		return &cmdline.UsageError{Msg: "-show with -set", Hint: "give one of them"}
	case config && !v.Bool("show") && !v.Bool("set"):
		return &cmdline.UsageError{Msg: "neither -show nor -set", Hint: "give one of them"}
	case !config && v.Bool("show"), !config && v.Bool("set"):
		return &cmdline.UsageError{Msg: "-show and -set are for -mode config"}
	case config && p.Named == "" && p.setting("name") != nil && v.Given("name"):
		return &cmdline.UsageError{Msg: "-name is not for -mode config"}
	case p.setting("adminhost") != nil && v.Given("adminhost") && !cmd.Remote:
		return &cmdline.UsageError{Msg: "-adminhost is not for " + cmd.line(), Hint: "run it on that computer"}
	case p.setting("adminhost") != nil && v.Given("adminhost") && p.setting("certificate") != nil && !v.Given("certificate"):
		return &cmdline.UsageError{Msg: "-adminhost needs -certificate <file>", Hint: "the certificate of the daemon there"}
	}
	for _, name := range cmd.Need {
		if !v.Given(name) {
			return &cmdline.UsageError{Msg: fmt.Sprintf("%s needs -%s <%s>", cmd.line(), name, p.setting(name).Value), Hint: cmd.line() + " -help explains it"}
		}
	}
	return nil
}

// refuseService looks for what does not go with services.
func (p *Program) refuseService(c *Call) error {
	v := c.Values
	instance := p.setting("instance") != nil && v.Given("instance")
	switch {
	case p.bool(v, "winservice") && v.Bool("foreground"):
		return &cmdline.UsageError{Msg: "-winservice with -foreground", Hint: "give one of them"}
	case c.Command.Top == topService && instance:
		return &cmdline.UsageError{Msg: "-instance with -service", Hint: "-service names a service with -name"}
	case c.Command.Top == topService, c.is("start") && instance && !v.Bool("foreground") && !p.bool(v, "winservice"):
		return c.refuseSettings()
	}
	return nil
}

// is reports whether this is that command of -mode.
func (c *Call) is(word string) bool { return c.Command.Top == "mode" && c.Command.Word == word }

func (p *Program) banner(w io.Writer) {
	fmt.Fprintf(w, "%s Version %s\n", p.Title, cmdline.VersionText())
}
