package admin

import (
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

	"openped/internal/rundir"
)

// ErrNotRunning is wrapped by the error of a call to a daemon that is not there.
var ErrNotRunning = errors.New("not running")

// ErrForeign is wrapped by the error of a call to a daemon that this user may
// not call.
var ErrForeign = errors.New("runs for another user")

// Client calls one daemon.
type Client struct {
	name string
	path string
	http *http.Client
}

// NewClient returns a client for the daemon called name, whose socket is
// NAME.sock in the run folder. A call ends after timeout at the latest.
func NewClient(dirs rundir.Dirs, name string, timeout time.Duration) (*Client, error) {
	path, err := dirs.Socket(name + ".sock")
	if err != nil {
		return nil, err
	}
	if err := rundir.CheckClient(dirs.Run); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &Client{name: name, path: path, http: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			},
		},
	}}, nil
}

// Get asks GET path and decodes the answer into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, out)
}

// Post asks POST path and decodes the answer into out.
func (c *Client) Post(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodPost, path, out)
}

func (c *Client) call(ctx context.Context, method, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://local"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s is %w (%s)", c.name, ErrNotRunning, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %w: %s: permission denied", c.name, ErrForeign, c.path)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%s closed the connection: it runs for another user or is ending", c.name)
	case err != nil:
		return fmt.Errorf("%s does not answer on %s: %w", c.name, c.path, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("%s: read answer: %w", c.name, err)
	}
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.Unmarshal(body, &f) != nil || f.Error == "" {
			f.Error = "refused: " + resp.Status
		}
		if f.Hint != "" {
			f.Error += "; " + f.Hint
		}
		return fmt.Errorf("%s: %s", c.name, f.Error)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: unreadable answer: %w", c.name, err)
	}
	return nil
}
