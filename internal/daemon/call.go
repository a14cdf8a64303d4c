package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"openped/internal/admin"
	"openped/internal/background"
	"openped/internal/cmdline"
	"openped/internal/rc"
	"openped/internal/rundir"
	"openped/internal/service"
	"openped/internal/setting"
)

// Call is one command line being carried out.
type Call struct {
	Program    *Program
	Command    *Command
	Values     *setting.Values // command line, file, defaults
	Words      []string        // arguments that are no flags
	Stdin      io.Reader
	Stdout     io.Writer
	Stderr     io.Writer
	Dirs       rundir.Dirs
	ConfigPath string // absolute; the file may be missing

	ctx    context.Context
	args   []string
	child  *background.Child
	self   *service.Self // nil: no service
	served bool          // the daemon in this process has been ready
}

// showTime is how long a running daemon may take to tell its status.
const showTime = 5 * time.Second

// Context ends when the command is given up.
func (c *Call) Context() context.Context { return c.ctx }

// JSON reports whether the answer is to be JSON and nothing else.
func (c *Call) JSON() bool {
	return c.Program.setting("format") != nil && c.Values.Text("format") == "json"
}

// Launched prints the version and the first line of a command, "Ped Server
// launched in MODE mode.", unless JSON is wanted.
func (c *Call) Launched(mode string) {
	if !c.JSON() {
		c.launched(mode)
	}
}

func (c *Call) launched(mode string) {
	c.Program.banner(c.Stdout)
	if mode != "" {
		fmt.Fprintf(c.Stdout, "%s launched in %s mode.\n", c.Program.Title, mode)
	}
}

// Warn prints one line that does not end the command.
func (c *Call) Warn(text string) {
	fmt.Fprintf(c.Stderr, "%s: warning: %s\n", c.Program.Name, cmdline.Printable(text))
}

// Client returns a client for the daemon that is meant: the running one, or that
// of -adminhost. A call ends after timeout at the latest.
func (c *Call) Client(timeout time.Duration) (*admin.Client, error) {
	if !c.remote() {
		return admin.NewClient(c.Dirs, c.Program.Name, timeout)
	}
	host := c.Values.Text("adminhost")
	return admin.NewRemote(c.Program.Name, host, func(ctx context.Context) (net.Conn, error) { return c.Program.Dial(ctx, c) }, timeout), nil
}

// remote reports whether a daemon elsewhere is meant.
func (c *Call) remote() bool {
	return c.Program.setting("adminhost") != nil && c.Values.Given("adminhost")
}

// Running adds the remedy to an error of Client's calls, and the exit code 3 if
// there is no daemon.
func (c *Call) Running(err error) error {
	if !errors.Is(err, admin.ErrNotRunning) {
		return err
	}
	if c.Dirs.Service != "" && !c.remote() {
		return &cmdline.ExitError{Code: cmdline.ExitNotRunning, RC: rc.NotRunning, Err: err, Hint: fmt.Sprintf("start it with %s -service start -name %s", c.Program.Name, c.Dirs.Service)}
	}
	hint := "start it with " + c.Program.Name + " -mode start"
	if s := c.Program.command("mode", "start"); s != nil && s.Start != "" {
		hint += " " + s.Start
	}
	return &cmdline.ExitError{Code: cmdline.ExitNotRunning, RC: rc.NotRunning, Err: err, Hint: hint}
}

// Confirm asks a question that only "yes" answers; -force answers it too. The
// error is one line if the answer is no, or if nobody can be asked.
func (c *Call) Confirm(question string) error {
	if c.Values.Bool("force") {
		return nil
	}
	if f, ok := c.Stdin.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return &cmdline.ExitError{Code: cmdline.ExitFailed, Err: fmt.Errorf("%s: nobody can be asked, and nothing was done", question), Hint: "-force answers it"}
	}
	fmt.Fprintf(c.Stdout, "%s? Type yes to go on: ", question)
	line, err := bufio.NewReader(io.LimitReader(c.Stdin, 100)).ReadString('\n')
	if err != nil && line == "" || !strings.EqualFold(strings.TrimSpace(line), "yes") {
		return &cmdline.ExitError{Code: cmdline.ExitFailed, Err: errors.New("not confirmed: nothing was done")}
	}
	return nil
}
