package daemon

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/setting"
)

// Config shows the settings or writes them to the configuration file.
func (c *Call) Config() error {
	p := c.Program
	named := p.Named != "" && c.Values.Given("name")
	switch set := c.Values.Bool("set"); {
	case named && set:
		return c.setNamed()
	case named:
		return c.showNamed()
	case set:
		return c.set()
	}
	return c.showConfig()
}

// configShown is what config -show prints as JSON.
type configShown struct {
	File     string              `json:"file"`
	Exists   bool                `json:"exists"`
	Settings []setting.Effective `json:"settings"`
	Running  *Running            `json:"running"` // null: no daemon runs with this file
}

func (c *Call) showConfig() error {
	shown := configShown{File: c.ConfigPath, Exists: exists(c.ConfigPath)}
	for _, e := range c.Values.All() {
		if e.Key != "" {
			shown.Settings = append(shown.Settings, e)
		}
	}
	if r, err := c.running(); err == nil && sameFile(r.File, c.ConfigPath) {
		shown.Running = r
	}
	if c.JSON() {
		return c.Print(shown)
	}
	c.Launched("configuration")
	c.fileLine()
	row := func(key, value, from string) {
		fmt.Fprintln(c.Stdout, cmdline.Printable(fmt.Sprintf("  %-26s%-26s %s", key, value, from)))
	}
	fmt.Fprintln(c.Stdout)
	for _, e := range shown.Settings {
		row(e.Key, valueText(e), c.from(e))
	}
	if others := differ(shown.Settings, shown.Running); len(others) > 0 {
		fmt.Fprintf(c.Stdout, "\nThe running %s (process %d) has:\n", c.Program.Title, shown.Running.PID)
		for _, e := range others {
			row(e.Key, valueText(e), c.from(e))
		}
	}
	fmt.Fprintln(c.Stdout, "\nConfig command passed.")
	return nil
}

// fileLine names the file.
func (c *Call) fileLine() {
	missing := ""
	if !exists(c.ConfigPath) {
		missing = " (not there yet)"
	}
	fmt.Fprintf(c.Stdout, "Configuration File:         %s%s\n", c.ConfigPath, missing)
}

func valueText(e setting.Effective) string {
	switch {
	case e.Value == "":
		return "(none)"
	case e.Unit == "seconds":
		return e.Value + " (secs)"
	case e.Unit != "":
		return e.Value + " (" + e.Unit + ")"
	}
	return e.Value
}

// from is where a value comes from, short.
func (c *Call) from(e setting.Effective) string {
	if line, ok := strings.CutPrefix(e.Where, c.ConfigPath+":"); ok {
		return "line " + line
	}
	if e.Where != "" {
		return e.Where
	}
	return e.Origin
}

// differ returns the settings that a running daemon has other values for.
func differ(file []setting.Effective, r *Running) (others []setting.Effective) {
	if r == nil {
		return nil
	}
	for _, e := range r.Settings {
		i := slices.IndexFunc(file, func(f setting.Effective) bool { return f.Name == e.Name })
		if i >= 0 && file[i].Value != e.Value {
			others = append(others, e)
		}
	}
	return others
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
