package daemon

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"openped/internal/admin"
	"openped/internal/cmdline"
)

// reloadTime is how long a running daemon may take to read its configuration.
const reloadTime = 10 * time.Second

// reloadRunning makes the daemon that runs with this file, if there is one, read
// it. What goes wrong comes after the file was written.
func (c *Call) reloadRunning() (*Reloaded, error) {
	now, err := c.running()
	switch {
	case errors.Is(err, admin.ErrNotRunning), err == nil && !sameFile(now.File, c.ConfigPath):
		return nil, nil
	case err != nil:
		return nil, cmdline.Failed(fmt.Errorf("the file is written, but the running daemon was not told: %w", err), "try "+c.Program.Name+" -mode reload")
	}
	client, err := admin.NewClient(c.Dirs, c.Program.Name, reloadTime)
	if err != nil {
		return nil, err
	}
	r := new(Reloaded)
	if err := client.Post(c.ctx, "/v1/reload", nil, r); err != nil {
		return nil, fmt.Errorf("the file is written, but not taken: %w", err)
	}
	return r, nil
}

// Changed tells a daemon that runs with this file that the command has changed
// it. It warns if the daemon could not be told, or found something wrong.
func (c *Call) Changed() {
	r, err := c.reloadRunning()
	if err != nil {
		c.Warn(err.Error())
		return
	}
	c.warnReloaded(r)
}

func (c *Call) warnReloaded(r *Reloaded) {
	if r != nil {
		for _, w := range r.Warnings {
			c.Warn(w)
		}
	}
}

// Reload makes the running daemon read its configuration file again.
func (c *Call) Reload() error {
	client, err := c.Client(reloadTime)
	if err != nil {
		return err
	}
	r := new(Reloaded)
	if err := client.Post(c.ctx, "/v1/reload", nil, r); err != nil {
		return c.Running(err)
	}
	if c.JSON() {
		return c.Print(r)
	}
	c.Launched("reload")
	c.warnReloaded(r)
	fmt.Fprintf(c.Stdout, "Configuration File:         %s\n", cmdline.Printable(r.File))
	c.printReloaded(r)
	fmt.Fprintln(c.Stdout, "Reload command passed.")
	return nil
}

func (c *Call) printReloaded(r *Reloaded) {
	if r == nil {
		return
	}
	line := func(what string, keys []string) {
		if len(keys) > 0 {
			fmt.Fprintf(c.Stdout, "%-27s %s\n", what, cmdline.Printable(strings.Join(keys, ", ")))
		}
	}
	line("Taken now:", r.Applied)
	line("After a restart:", r.Restart)
	line("Overridden at the start:", r.Overridden)
	if len(r.Applied)+len(r.Restart) == 0 {
		fmt.Fprintf(c.Stdout, "The running %s has nothing to change.\n", c.Program.Title)
	}
}

// sameFile sees through links.
func sameFile(a, b string) bool {
	fa, errA := os.Stat(a)
	fb, errB := os.Stat(b)
	return a == b || errA == nil && errB == nil && os.SameFile(fa, fb)
}
