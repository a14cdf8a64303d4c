package setting

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"openped/internal/cmdline"
)

// Kind is what a value looks like.
type Kind uint8

// The kinds.
const (
	Int    Kind = iota // a whole number from Min to Max
	Bit                // 0 or 1
	Switch             // a flag without value; 0 or 1 in the file
	Text
	Path // kept absolute: a daemon leaves the folder it was started in
	Addr // an IP address
	Word // one of Words
)

// Setting is one flag of a program.
type Setting struct {
	Name     string   // the flag, no dash
	Aliases  []string // other spellings of the flag
	Key      string   // in the configuration file; "" = command line only
	Value    string   // what the value is called in help; "" for a switch
	Unit     string   // "seconds", "KB", "microseconds", ""
	Kind     Kind
	Min, Max int                // Int
	Words    []string           // Word
	Default  string             // "" = none
	Usage    string             // one line
	Many     bool               // may be repeated; in the file comma separated
	Live     bool               // a running daemon takes it on reload
	In       []string           // commands whose help lists it: "start", "appliance register"
	Check    func(string) error // further check; may be nil
	// Abs makes a relative path in a value begin at folder; nil: only a Path has one.
	Abs func(value, folder string) string
}

// Table is every setting of a program.
type Table []*Setting

// Find returns the setting with that flag, other spelling or key, or nil.
func (t Table) Find(name string) *Setting {
	for _, s := range t {
		if strings.EqualFold(s.Name, name) || s.Key != "" && strings.EqualFold(s.Key, name) ||
			slices.ContainsFunc(s.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
			return s
		}
	}
	return nil
}

// Range says what values there are: "1 to 65535", "0 or 1". It is empty for free
// text.
func (s *Setting) Range() string {
	switch s.Kind {
	case Int:
		r := fmt.Sprintf("%d to %d", s.Min, s.Max)
		if s.Unit != "" {
			r += " " + s.Unit
		}
		return r
	case Bit:
		return "0 or 1"
	case Addr:
		return "an IP address"
	case Word:
		return strings.Join(s.Words, " or ")
	}
	return ""
}

// normal checks one value and returns it as it is kept; folder is what a
// relative path begins at.
func (s *Setting) normal(v, folder string) (string, error) {
	switch {
	case s.Kind == Switch || s.Kind == Bit:
		if v != "0" && v != "1" {
			return "", fmt.Errorf("%q is neither 0 nor 1", cmdline.Printable(v))
		}
	case v == "":
		return "", fmt.Errorf("empty value")
	case cmdline.Printable(v) != v:
		return "", fmt.Errorf("control character in %q", cmdline.Printable(v))
	case s.Kind == Int:
		n, err := strconv.Atoi(v)
		if err != nil {
			return "", fmt.Errorf("%q is not a whole number from %s", cmdline.Printable(v), s.Range())
		}
		if n < s.Min || n > s.Max {
			return "", fmt.Errorf("%d is outside %s", n, s.Range())
		}
		v = strconv.Itoa(n)
	case s.Kind == Addr:
		if _, err := netip.ParseAddr(v); err != nil {
			return "", fmt.Errorf("%q is not an IP address", cmdline.Printable(v))
		}
	case s.Kind == Word:
		i := slices.IndexFunc(s.Words, func(w string) bool { return strings.EqualFold(w, v) })
		if i < 0 {
			return "", fmt.Errorf("%q is not %s", cmdline.Printable(v), s.Range())
		}
		v = s.Words[i]
	case s.Kind == Path:
		v = from(folder, v)
	}
	if s.Check != nil {
		if err := s.Check(v); err != nil {
			return "", err
		}
	}
	if s.Abs != nil {
		v = s.Abs(v, folder)
	}
	return v, nil
}

// from makes a path absolute. On Windows one that begins with a backslash is
// on the folder's drive.
func from(folder, path string) string {
	switch {
	case filepath.IsAbs(path):
		return path
	case path != "" && os.IsPathSeparator(path[0]):
		return filepath.Join(filepath.VolumeName(folder), path)
	}
	return filepath.Join(folder, path)
}
