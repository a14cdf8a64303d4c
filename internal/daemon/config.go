package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"openped/internal/admin"
	"openped/internal/cmdline"
	"openped/internal/conffile"
	"openped/internal/setting"
)

// reloadTime is how long a running daemon may take to read its configuration.
const reloadTime = 10 * time.Second

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
	row := func(key, value, from string) { fmt.Fprintf(c.Stdout, "  %-26s%-26s %s\n", key, value, from) }
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
	c.printReloaded(r)
	fmt.Fprintln(c.Stdout, "Config command passed.")
	return nil
}

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
	if r != nil {
		for _, w := range r.Warnings {
			c.Warn(w)
		}
	}
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
	for _, w := range r.Warnings {
		c.Warn(w)
	}
	fmt.Fprintf(c.Stdout, "Configuration File:         %s\n", r.File)
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
			fmt.Fprintf(c.Stdout, "%-27s %s\n", what, strings.Join(keys, ", "))
		}
	}
	line("Taken now:", r.Applied)
	line("After a restart:", r.Restart)
	line("Overridden at the start:", r.Overridden)
	if len(r.Applied)+len(r.Restart) == 0 {
		fmt.Fprintf(c.Stdout, "The running %s has nothing to change.\n", c.Program.Title)
	}
}

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

// sameFile sees through links.
func sameFile(a, b string) bool {
	fa, errA := os.Stat(a)
	fb, errB := os.Stat(b)
	return a == b || errA == nil && errB == nil && os.SameFile(fa, fb)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
