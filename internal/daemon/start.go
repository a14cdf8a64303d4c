package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"
	"unicode/utf8"

	"openped/internal/admin"
	"openped/internal/background"
	"openped/internal/cmdline"
	"openped/internal/rc"
)

// startupFailed is how the vendor begins to say it.
const startupFailed = "Startup failed. : "

// Start starts the daemon: in the background, or in this process with
// -foreground.
func (c *Call) Start() error {
	p := c.Program
	if err := p.Check(true, c.Values); err != nil {
		return err
	}
	here := c.Values.Bool("foreground") || p.bool(c.Values, "winservice")
	if c.Dirs.Service != "" && !here {
		return c.startService()
	}
	c.launched("startup")
	if err := c.refuseBeside(); err != nil {
		return startFailure(err)
	}
	if here {
		return c.serve()
	}
	fmt.Fprintln(c.Stdout, "Starting background process")
	r, err := background.Start(c.ctx, c.args, c.Values.Seconds(p.StartTimeout))
	if err != nil {
		admin.Sweep(c.Dirs, p.Name, p.Sockets...)
		code := rc.SocketError
		if errors.Is(err, background.ErrTimeout) {
			code = rc.OperationTimedOut
		}
		return startFailure(&cmdline.ExitError{Code: cmdline.ExitFailed, RC: code, Err: err, Hint: "run it with -foreground to see why"})
	}
	for _, w := range r.Warnings {
		c.Warn(w)
	}
	if !r.Ready {
		return &cmdline.ExitError{Code: max(r.Code, cmdline.ExitUsage), Err: errors.New(startupFailed + r.Error), Hint: r.Hint}
	}
	fmt.Fprintln(c.Stdout, "Background process started")
	fmt.Fprintln(c.Stdout, p.Title+" Process created, exiting this process.")
	return nil
}

// startFailure is the line of a failed start: code, cause, remedy.
func startFailure(err error) error {
	e := cause(err)
	return &cmdline.ExitError{Code: e.Code, Err: errors.New(startupFailed + e.Message()), Hint: e.Hint}
}

// cause gives why a start failed its code and its remedy.
func cause(err error) *cmdline.ExitError {
	e := &cmdline.ExitError{Code: cmdline.ExitFailed, Err: err}
	if ee, ok := errors.AsType[*cmdline.ExitError](err); ok {
		*e = *ee
	} else if h, ok := errors.AsType[interface {
		error
		admin.Hinter
	}](err); ok {
		e.Hint = h.Hint()
	}
	if e.RC == 0 {
		e.RC = startCode(err)
	}
	return e
}

// StartFailed is startFailure for a program whose start is not the framework's.
func (c *Call) StartFailed(err error) error { return startFailure(err) }

func startCode(err error) rc.Code {
	switch {
	case errors.Is(err, admin.ErrRunning):
		return rc.AlreadyRunning
	case errors.Is(err, fs.ErrPermission):
		return rc.AccessDenied
	case errors.Is(err, context.DeadlineExceeded):
		return rc.OperationTimedOut
	}
	return rc.StartFailed
}

// Stop ends the running daemon and waits until it is gone.
func (c *Call) Stop() error {
	c.launched("shutdown")
	timeout := c.Values.Seconds(c.Program.StopTimeout)
	managed, err := c.stopManaged()
	switch {
	case managed:
	case c.remote():
		err = c.stopRemote(timeout)
	default:
		err = admin.Stop(c.ctx, c.Dirs, c.Program.Name, timeout, c.Values.Bool("force"), c.Program.Sockets...)
	}
	if err != nil {
		return c.Running(err)
	}
	fmt.Fprintln(c.Stdout, "Background process stopped")
	fmt.Fprintln(c.Stdout, "Stop command passed.")
	return nil
}

// remotePoll is the time between two looks whether a daemon elsewhere has gone.
const remotePoll = 200 * time.Millisecond

// stopRemote ends a daemon elsewhere and waits until it does not answer any more.
func (c *Call) stopRemote(timeout time.Duration) error {
	client, err := c.Client(timeout)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	if err := client.Post(ctx, "/v1/stop", nil, nil); err != nil {
		return err
	}
	for client.Get(ctx, "/v1/show", nil) == nil {
		select {
		case <-time.After(remotePoll):
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.OperationTimedOut, Err: fmt.Errorf("%s on %s has not ended within %v", c.Program.Name, c.Values.Text("adminhost"), timeout),
			Hint: "look at its log"}
	}
	return nil
}

// Show prints the status of the daemon.
func (c *Call) Show() error {
	c.Launched("status")
	client, err := c.Client(showTime)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := client.Get(c.ctx, "/v1/show", &raw); err != nil {
		return c.Running(err)
	}
	if c.JSON() {
		return c.Print(raw)
	}
	st := c.Program.Status()
	if err := json.Unmarshal(raw, st); err != nil {
		return fmt.Errorf("unreadable status: %w", err)
	}
	st.Show(c.Stdout)
	return nil
}

// Print writes an answer as JSON, with two blanks of indentation. What would steer a
// terminal is escaped.
func (c *Call) Print(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := c.Stdout.Write(escapeControls(b.Bytes()))
	return err
}

// escapeControls escapes the control characters that JSON allows in strings, from
// U+007F to U+009F. They stand nowhere else.
func escapeControls(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r >= 0x7f && r < 0xa0 {
			out = fmt.Appendf(out, "\\u%04x", r)
		} else {
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	return out
}
