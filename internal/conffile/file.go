package conffile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// MaxSize is the most that a configuration file may have, in bytes.
const MaxSize = 1 << 20

// File is one configuration file.
type File struct {
	src      []byte
	ini      bool
	sections []section
	entries  map[name]*entry // the one that counts
}

// name is a section's and a key's, without case.
type name struct{ section, key string }

func fold(s string) string { return strings.ToLower(s) }

var bom = []byte("\ufeff")

// New returns an empty file in the syntax with braces.
func New() *File { return &File{} }

// Parse reads a file in either syntax. An error is a *SyntaxError.
func Parse(b []byte) (*File, error) {
	if len(b) > MaxSize {
		return nil, &SyntaxError{1, fmt.Sprintf("the file is larger than %d bytes", MaxSize)}
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return nil, &SyntaxError{lineOf(b, i), "a zero byte: save the file as plain text or UTF-8"}
	}
	f := &File{src: bytes.Clone(b)}
	p := &parser{src: f.src}
	if bytes.HasPrefix(p.src, bom) {
		p.pos = len(bom)
	}
	parse := p.braces
	if f.ini = isINI(p.src[p.pos:]); f.ini {
		parse = p.ini
	}
	if err := parse(); err != nil {
		return nil, err
	}
	f.sections = p.sections
	f.index()
	return f, nil
}

// index notes where each key stands.
func (f *File) index() {
	f.entries = make(map[name]*entry)
	line, at := 1, 0
	for i := range f.sections {
		s := &f.sections[i]
		for j := range s.entries {
			e := &s.entries[j]
			line += bytes.Count(f.src[at:e.whole.from], []byte("\n"))
			e.line, at = line, e.whole.from
			f.entries[name{fold(s.name), fold(e.key)}] = e
		}
	}
}

// isINI tells the syntaxes apart by the first thing that is no comment.
func isINI(b []byte) (ini bool) {
	p := &parser{src: b}
	for p.blank(); p.peek() == ';'; p.blank() {
		ini = true // nothing but comments follows
		p.line()
	}
	return p.peek() == '[' || ini && p.peek() == 0
}

// Load reads the file at path. Its errors name path, and the line where there is
// one: "path:3: …".
func Load(path string) (*File, error) {
	// Opening a pipe would wait for its other end.
	switch st, err := os.Stat(path); {
	case err != nil:
		return nil, err
	case st.IsDir():
		return nil, fmt.Errorf("%s is a folder", path)
	case !st.Mode().IsRegular() && path != os.DevNull:
		return nil, fmt.Errorf("%s is not a file", path)
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	f, err := Parse(b)
	if err != nil {
		return nil, at(path, err)
	}
	return f, nil
}

// at adds the file's name to a syntax error.
func at(path string, err error) error {
	if s, ok := errors.AsType[*SyntaxError](err); ok {
		return &PathError{Path: path, Err: s}
	}
	return fmt.Errorf("%s: %w", path, err)
}

// PathError is a SyntaxError and the file that has it.
type PathError struct {
	Path string
	Err  *SyntaxError
}

func (e *PathError) Error() string { return fmt.Sprintf("%s:%d: %s", e.Path, e.Err.Line, e.Err.Msg) }

// Unwrap returns the SyntaxError.
func (e *PathError) Unwrap() error { return e.Err }

// Bytes returns the file: what was parsed, with the changes made since.
func (f *File) Bytes() []byte { return bytes.Clone(f.src) }

// Sections returns the names of the sections in the order of the file, each
// once.
func (f *File) Sections() []string {
	var names distinct
	for _, s := range f.sections {
		names.add(s.name)
	}
	return names.list
}

// Keys returns the keys of all sections of that name, each once.
func (f *File) Keys(section string) []string {
	var keys distinct
	for _, s := range f.sections {
		if fold(s.name) != fold(section) {
			continue
		}
		for _, e := range s.entries {
			keys.add(e.key)
		}
	}
	return keys.list
}

// distinct is a list without what differs in case only.
type distinct struct {
	list []string
	seen map[string]bool
}

func (d *distinct) add(s string) {
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	if !d.seen[fold(s)] {
		d.seen[fold(s)] = true
		d.list = append(d.list, s)
	}
}

// Get returns a value and its line. Names are compared without case. Where a
// section or a key stands more than once the last one counts. A value of
// several lines is joined with blanks.
func (f *File) Get(section, key string) (value string, line int, ok bool) {
	e := f.find(section, key)
	if e == nil {
		return "", 0, false
	}
	return e.text, e.line, true
}

// find returns the entry that counts, or nil.
func (f *File) find(section, key string) *entry { return f.entries[name{fold(section), fold(key)}] }

// defaultSyntax makes a new file at path fit its name.
func defaultSyntax(path string) *File {
	return &File{ini: strings.EqualFold(filepath.Ext(path), ".ini")}
}
