package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"openped/internal/cmdline"
	"openped/internal/localsock"
	"openped/internal/rc"
	"openped/internal/rundir"
)

// ErrNotRunning is wrapped by the error of a call to a daemon that is not there.
var ErrNotRunning = errors.New("not running")

// ErrForeign is wrapped by the error of a call that this user may not make.
var ErrForeign = errors.New("not permitted")

// Client calls one daemon.
type Client struct {
	name    string
	place   string // socket or address
	dirs    rundir.Dirs
	remote  bool
	timeout time.Duration
	http    *http.Client
}

// NewClient returns a client for the daemon called name, whose socket is
// NAME.sock in the run folder. It says nothing to a server of a stranger. A call
// ends after timeout at the latest.
func NewClient(dirs rundir.Dirs, name string, timeout time.Duration) (*Client, error) {
	path, err := dirs.Socket(name + ".sock")
	if err != nil {
		return nil, err
	}
	if err := dirs.CheckMode(); err != nil {
		return nil, err
	}
	c := newClient(name, path, timeout, func(ctx context.Context) (net.Conn, error) {
		if err := rundir.CheckSocket(path); err != nil {
			return nil, err
		}
		return localsock.Dial(ctx, path, func(p localsock.Peer) error { return dirs.CheckDaemon(p.User) })
	})
	c.dirs = dirs
	return c, nil
}

// NewRemote returns a client for the daemon called name on another host. Dial
// makes a connection on which both have authenticated each other; addr is for
// messages.
func NewRemote(name, addr string, dial func(context.Context) (net.Conn, error), timeout time.Duration) *Client {
	c := newClient(name, addr, timeout, dial)
	c.remote = true
	return c
}

func newClient(name, place string, timeout time.Duration, dial func(context.Context) (net.Conn, error)) *Client {
	return &Client{name: name, place: place, timeout: timeout, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}}
}

// Within returns the same client with another time for each call.
func (c *Client) Within(timeout time.Duration) *Client {
	d := *c
	d.timeout = timeout
	return &d
}

// Get asks GET path and decodes the answer into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out)
}

// Post asks POST path with in as JSON, unless that is nil, and decodes the answer
// into out.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPost, path, in, out)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://local"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.explain(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.Unmarshal(answer, &f) != nil || f.Error == "" {
			f.Error = "refused: " + resp.Status
		}
		err := errors.New(f.Error)
		if resp.StatusCode == http.StatusForbidden && !c.remote {
			err = fmt.Errorf("%w: %s", ErrForeign, f.Error)
		}
		return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.Code(f.RC), Err: err, Hint: f.Hint}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: unreadable answer: %w", c.name, err)
	}
	return nil
}

// explain says what a call that got no answer means.
func (c *Client) explain(ctx context.Context, err error) error {
	var ee *cmdline.ExitError
	switch {
	case errors.As(err, &ee): // the dialler has explained it
		return ee
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		hint := ""
		if !c.remote {
			hint = "end it with " + c.name + " -mode stop -force if it stays so"
		}
		return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.OperationTimedOut, Hint: hint,
			Err: fmt.Errorf("%s did not answer on %s within %v", c.name, c.place, c.timeout)}
	case c.remote:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s is %w (%s)", c.name, ErrNotRunning, c.place)
	case errors.Is(err, fs.ErrPermission):
		return denied(c.dirs, c.place)
	case errors.Is(err, rundir.ErrUnsafe):
		return fmt.Errorf("%s: %w", c.name, unwrapped(err))
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%s closed the connection: it runs for another user or is ending", c.name)
	}
	return fmt.Errorf("%s does not answer on %s: %w", c.name, c.place, unwrapped(err))
}

// unwrapped is without what the HTTP client says of the request.
func unwrapped(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}
