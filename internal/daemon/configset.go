package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"openped/internal/cmdline"
	"openped/internal/conffile"
	"openped/internal/setting"
)

// change is one value to write; an empty one removes the key.
type change struct{ key, value string }

// set writes what the command line has into the file, and tells a running daemon.
func (c *Call) set() error {
	changes, err := c.changes()
	if err != nil {
		return err
	}
	if err := c.edit(changes); err != nil {
		return err
	}
	return c.told(changes)
}

// edit writes the changes into the file if the daemon could use it then.
func (c *Call) edit(changes []change) error {
	p := c.Program
	return writeError(conffile.Edit(c.ConfigPath, func(f *conffile.File) error {
		for _, ch := range changes {
			if err := p.write(f, ch); err != nil {
				return &cmdline.UsageError{Msg: err.Error()}
			}
		}
		next := setting.New(p.Table)
		if _, err := p.take(next, f, c.ConfigPath); err != nil {
			return err
		}
		return p.Check(false, next)
	}))
}

func writeError(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return badConfig(err, "run it as the user whose file that is, or name another file with -configfile")
	}
	if _, ok := errors.AsType[*conffile.PathError](err); ok {
		return badConfig(err, "mend it by hand")
	}
	return err
}

// changes returns the flags that are in the file's table, and the pairs of key
// and value that stand without dash.
func (c *Call) changes() (changes []change, err error) {
	for _, s := range c.Program.Table {
		if !c.Values.Given(s.Name) {
			continue
		}
		switch {
		case s.Key != "":
			changes = append(changes, change{s.Key, strings.Join(c.Values.List(s.Name), ", ")})
		case !slices.Contains(s.In, "config"):
			return nil, &cmdline.UsageError{Msg: fmt.Sprintf("flag -%s can not be kept in a file", s.Name), Hint: "give it when it is needed"}
		}
	}
	words := c.Words
	for ; len(words) > 0; words = words[min(2, len(words)):] {
		s := c.Program.Table.Find(words[0])
		switch {
		case s == nil || s.Key == "":
			return nil, c.unknownKey(words[0])
		case len(words) == 1:
			return nil, &cmdline.UsageError{Msg: fmt.Sprintf("%s needs a value", s.Key), Hint: hintRange(s)}
		case slices.ContainsFunc(changes, func(ch change) bool { return ch.key == s.Key }):
			return nil, &cmdline.UsageError{Msg: fmt.Sprintf("%s given twice", s.Key)}
		}
		ch, err := c.Program.change(s, words[1])
		if err != nil {
			return nil, err
		}
		changes = append(changes, ch)
	}
	if len(changes) == 0 {
		return nil, &cmdline.UsageError{Msg: "nothing to set", Hint: "give -set <Key> <value>, or -set and flags"}
	}
	return changes, nil
}

// change checks a value that is to be written.
func (p *Program) change(s *setting.Setting, value string) (change, error) {
	if value == "" {
		return change{s.Key, ""}, nil
	}
	v := setting.New(p.Table)
	for _, part := range parts(s, value) {
		if err := v.Set(s.Name, part); err != nil {
			return change{}, &cmdline.UsageError{Msg: s.Key + strings.TrimPrefix(err.Error(), "-"+s.Name)}
		}
	}
	return change{s.Key, strings.Join(v.List(s.Name), ", ")}, nil
}

func parts(s *setting.Setting, value string) []string {
	if !s.Many {
		return []string{value}
	}
	var out []string
	for p := range strings.SplitSeq(value, ",") {
		out = append(out, strings.TrimSpace(p))
	}
	return out
}

func hintRange(s *setting.Setting) string {
	if r := s.Range(); r != "" {
		return "give " + r
	}
	return ""
}

func (c *Call) unknownKey(key string) error {
	var keys []string
	for _, s := range c.Program.Table {
		if s.Key != "" {
			keys = append(keys, s.Key)
		}
	}
	e := &cmdline.UsageError{Msg: "unknown key " + cmdline.Printable(key), Hint: "-mode config -show lists them"}
	if n := cmdline.Nearest(key, keys); n != "" {
		s := c.Program.Table.Find(n)
		e.Hint = "did you mean " + n + "?"
		if r := s.Range(); r != "" {
			e.Hint = "did you mean " + n + " (" + r + ")?"
		}
	}
	return e
}

// write changes one key where the file has it, else in the first of the
// program's sections that is there, else in the first.
func (p *Program) write(f *conffile.File, ch change) error {
	section := ""
	for _, s := range p.Sections {
		if _, _, ok := f.Get(s, ch.key); ok {
			section = s
			break
		}
		if section == "" && slices.ContainsFunc(f.Sections(), func(n string) bool { return strings.EqualFold(n, s) }) {
			section = s
		}
	}
	if section == "" {
		section = p.Sections[0]
	}
	if ch.value == "" {
		for _, s := range p.Sections {
			f.Unset(s, ch.key)
		}
		return nil
	}
	return f.Set(section, ch.key, ch.value)
}

// configSet is what config -set prints as JSON.
type configSet struct {
	File    string            `json:"file"`
	Set     map[string]string `json:"set"`
	Running *Reloaded         `json:"running"` // null: no daemon runs with this file
}

// told has a running daemon read the file, and prints what was done.
func (c *Call) told(changes []change) error {
	out := configSet{File: c.ConfigPath, Set: map[string]string{}}
	for _, ch := range changes {
		out.Set[ch.key] = ch.value
	}
	r, reloadErr := c.reloadRunning()
	out.Running = r
	if c.JSON() {
		if err := c.Print(out); err != nil {
			return err
		}
		return reloadErr
	}
	c.Launched("configuration")
	c.fileLine()
	for _, ch := range changes {
		if ch.value == "" {
			fmt.Fprintf(c.Stdout, "  %s removed\n", ch.key)
			continue
		}
		fmt.Fprintf(c.Stdout, "  %s = %s\n", ch.key, ch.value)
	}
	if reloadErr != nil {
		return reloadErr
	}
	c.warnReloaded(r)
	c.printReloaded(r)
	fmt.Fprintln(c.Stdout, "Config command passed.")
	return nil
}

// Configure writes settings, by flag or key, as config -set does, and tells a
// running daemon. It prints nothing but warnings.
func (c *Call) Configure(values map[string]string) error {
	var changes []change
	for name, value := range values {
		ch, err := c.Program.change(c.Program.Table.Find(name), value)
		if err != nil {
			return err
		}
		changes = append(changes, ch)
	}
	slices.SortFunc(changes, func(a, b change) int { return strings.Compare(a.key, b.key) })
	if err := c.edit(changes); err != nil {
		return err
	}
	c.Changed()
	return nil
}
