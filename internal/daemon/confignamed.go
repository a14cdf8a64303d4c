package daemon

import (
	"fmt"
	"slices"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/conffile"
)

// showNamed prints one named section.
func (c *Call) showNamed() error {
	section, f, err := c.named()
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, k := range f.Keys(section) {
		values[k], _, _ = f.Get(section, k)
	}
	if c.JSON() {
		return c.Print(struct {
			File     string            `json:"file"`
			Name     string            `json:"name"`
			Settings map[string]string `json:"settings"`
		}{c.ConfigPath, c.Values.Text("name"), values})
	}
	c.Launched("configuration")
	c.fileLine()
	fmt.Fprintf(c.Stdout, "\n%s:\n", section)
	for _, k := range f.Keys(section) {
		fmt.Fprintf(c.Stdout, "  %-26s%s\n", k, cmdline.Printable(values[k]))
	}
	fmt.Fprintln(c.Stdout, "\nConfig command passed.")
	return nil
}

// setNamed changes one named section.
func (c *Call) setNamed() error {
	changes, err := c.changes()
	if err != nil {
		return err
	}
	for _, ch := range changes {
		if !slices.Contains(c.Program.NamedKeys, ch.key) || ch.value == "" || strings.Contains(ch.value, ",") {
			return &cmdline.UsageError{Msg: fmt.Sprintf("with -name only %s can be set, to one value each", strings.Join(c.Program.NamedKeys, " and ")), Hint: "the rest comes from its registration"}
		}
	}
	section, _, err := c.named()
	if err != nil {
		return err
	}
	err = conffile.Edit(c.ConfigPath, func(f *conffile.File) error {
		for _, ch := range changes {
			if err := f.Set(section, ch.key, ch.value); err != nil {
				return &cmdline.UsageError{Msg: err.Error()}
			}
		}
		return nil
	})
	if err != nil {
		return writeError(err)
	}
	return c.told(changes)
}

// named returns the section that -name is about, which must be there.
func (c *Call) named() (section string, f *conffile.File, err error) {
	section = c.Program.Named + " " + c.Values.Text("name")
	if f, err = c.Program.read(c.ConfigPath, false); err != nil {
		return "", nil, err
	}
	for _, s := range f.Sections() {
		if strings.EqualFold(s, section) {
			return s, f, nil
		}
	}
	what := strings.ToLower(c.Program.Named)
	return "", nil, notRegistered(what, c.Values.Text("name"), c.ConfigPath, c.Program.Name)
}
