package setting

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"openped/internal/cmdline"
	"openped/internal/conffile"
)

// Origin is where a value comes from.
type Origin uint8

// The origins, the weakest first.
const (
	FromDefault Origin = iota
	FromFile
	FromCommandLine
)

func (o Origin) String() string {
	return [...]string{"default", "file", "command line"}[o]
}

// source is what one origin says of a setting.
type source struct {
	values []string
	where  string
}

type value struct {
	*Setting
	file, line *source // nil: says nothing
}

// Values is one value for each setting of a table.
type Values struct {
	table Table
	of    []value // as table has them
}

// New returns the defaults.
func New(t Table) *Values {
	v := &Values{table: t, of: make([]value, len(t))}
	for i, s := range t {
		v.of[i].Setting = s
	}
	return v
}

// CommandLine returns a copy that has what the command line says and nothing of
// a file.
func (v *Values) CommandLine() *Values {
	c := New(v.table)
	for i := range v.of {
		c.of[i].line = v.of[i].line
	}
	return c
}

// Take returns a copy of v with next's values of the Live settings.
func (v *Values) Take(next *Values) *Values {
	c := New(v.table)
	for i := range v.of {
		c.of[i] = v.of[i]
		if v.of[i].Live {
			c.of[i] = next.of[i]
		}
	}
	return c
}

// Overridden returns the keys that the command line says something else of than
// the file.
func (v *Values) Overridden() (keys []string) {
	for i := range v.of {
		if o := &v.of[i]; o.file != nil && o.line != nil && !slices.Equal(o.file.values, o.line.values) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// Table returns the table.
func (v *Values) Table() Table { return v.table }

// Flags returns the table's flags, which store what they are given.
func (v *Values) Flags() *cmdline.Set {
	set := new(cmdline.Set)
	for i := range v.of {
		o := &v.of[i]
		set.Add(&cmdline.Flag{
			Name: o.Name, Aliases: o.Aliases, Value: o.Value, Usage: o.Usage, Range: o.Range(), Many: o.Many,
			Set: func(text string) error { return o.give(text) },
		})
	}
	return set
}

// Set is what -NAME VALUE on the command line is.
func (v *Values) Set(name, text string) error {
	if err := v.get(name).give(text); err != nil {
		return fmt.Errorf("-%s: %w", name, err)
	}
	return nil
}

func (o *value) give(text string) error {
	folder, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	if text, err = o.normal(text, folder); err != nil {
		return err
	}
	s := &source{where: "-" + o.Name}
	if o.Many && o.line != nil {
		if slices.Contains(o.line.values, text) {
			return fmt.Errorf("%s given twice", text)
		}
		s.values = slices.Clone(o.line.values)
	}
	s.values = append(s.values, text)
	o.line = s
	return nil
}

// LoadFile takes what the sections of f say; path is the file's name for
// messages, and relative paths begin at its folder. Where two sections have a
// key, the one named first counts. unknown has a line for each key that is not
// in the table, up to maxUnknown. The error names the file, the line, the key and its range; then
// nothing was taken.
func (v *Values) LoadFile(f *conffile.File, path string, sections ...string) (unknown []string, err error) {
	found := make([]*source, len(v.of))
	for _, section := range sections {
		for _, key := range f.Keys(section) {
			text, line, _ := f.Get(section, key)
			where := fmt.Sprintf("%s:%d", path, line)
			i := v.key(key)
			if i < 0 {
				if !strings.EqualFold(key, fileKey) && len(unknown) < maxUnknown {
					unknown = append(unknown, where+": "+v.unknown(key))
				}
				continue
			}
			if found[i] != nil {
				continue
			}
			values, err := v.of[i].split(text, filepath.Dir(path))
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", where, v.of[i].Key, err)
			}
			if values != nil {
				found[i] = &source{values, where}
			}
		}
	}
	for i := range v.of {
		v.of[i].file = found[i]
	}
	return unknown, nil
}

// maxUnknown keeps a file of something else from filling a log.
const maxUnknown = 20

// fileKey names the program's own file in the client's: no setting.
const fileKey = "PedConfigFile"

func (v *Values) key(key string) int {
	return slices.IndexFunc(v.table, func(s *Setting) bool { return s.Key != "" && strings.EqualFold(s.Key, key) })
}

func (v *Values) unknown(key string) string {
	var keys []string
	for _, s := range v.table {
		if s.Key != "" {
			keys = append(keys, s.Key)
		}
	}
	msg := "unknown key " + cmdline.Printable(key)
	if n := cmdline.Nearest(key, keys); n != "" {
		msg += "; did you mean " + n + "?"
	}
	return msg
}

// split reads a value of the file. An empty one says nothing.
func (o *value) split(text, folder string) (values []string, err error) {
	if text == "" {
		return nil, nil
	}
	parts := []string{text}
	if o.Many {
		parts = strings.Split(text, ",")
	}
	for _, p := range parts {
		if p = strings.TrimSpace(p); p == "" && o.Many {
			continue
		}
		if p, err = o.normal(p, folder); err != nil {
			return nil, err
		}
		if !slices.Contains(values, p) {
			values = append(values, p)
		}
	}
	if len(values) == 0 { // a list of nobody is not to become everybody
		return nil, errors.New("nothing but commas")
	}
	return values, nil
}

func (v *Values) get(name string) *value {
	for i := range v.of {
		if v.of[i].Name == name {
			return &v.of[i]
		}
	}
	panic("setting: no " + name + " in the table")
}

func (o *value) source() (values []string, from Origin, where string) {
	switch {
	case o.line != nil:
		return o.line.values, FromCommandLine, o.line.where
	case o.file != nil:
		return o.file.values, FromFile, o.file.where
	case o.Default != "":
		return []string{o.Default}, FromDefault, ""
	case o.Kind == Switch:
		return []string{"0"}, FromDefault, ""
	}
	return nil, FromDefault, ""
}

// Text returns a value; one of several values, comma separated; "" for none.
func (v *Values) Text(name string) string { return v.get(name).text() }

func (o *value) text() string {
	values, _, _ := o.source()
	return strings.Join(values, ", ")
}

// Int returns the value of an Int, 0 for none.
func (v *Values) Int(name string) int {
	n, _ := strconv.Atoi(v.Text(name))
	return n
}

// Seconds returns an Int as a duration.
func (v *Values) Seconds(name string) time.Duration { return time.Duration(v.Int(name)) * time.Second }

// Bool reports whether a Bit or Switch is 1.
func (v *Values) Bool(name string) bool { return v.Text(name) == "1" }

// List returns the values of a setting that may be repeated.
func (v *Values) List(name string) []string {
	values, _, _ := v.get(name).source()
	return slices.Clone(values)
}

// Given reports whether the command line has the flag.
func (v *Values) Given(name string) bool { return v.get(name).line != nil }

// Origin returns where a value comes from: "-port", or "/etc/pedServer.conf:3".
func (v *Values) Origin(name string) (o Origin, where string) {
	_, o, where = v.get(name).source()
	return o, where
}

// Effective is a setting and its value.
type Effective struct {
	Name   string `json:"name"`
	Key    string `json:"key,omitempty"`
	Value  string `json:"value"`
	Unit   string `json:"unit,omitempty"`
	Origin string `json:"origin"`          // default, file, command line
	Where  string `json:"where,omitempty"` // "-port", or file:line
	Live   bool   `json:"live"`            // a running daemon takes it on reload
}

// All returns every setting in the order of the table.
func (v *Values) All() []Effective {
	all := make([]Effective, len(v.of))
	for i := range v.of {
		o := &v.of[i]
		_, from, where := o.source()
		all[i] = Effective{o.Name, o.Key, o.text(), o.Unit, from.String(), where, o.Live}
	}
	return all
}

// Changed returns which settings have other values in new than in old, by key:
// those that a running daemon takes, and those that need a restart.
func Changed(old, new *Values) (live, restart []string) {
	for i := range old.of {
		a, b := &old.of[i], new.get(old.of[i].Name)
		switch {
		case a.Key == "" || a.text() == b.text():
		case a.Live:
			live = append(live, a.Key)
		default:
			restart = append(restart, a.Key)
		}
	}
	return live, restart
}
