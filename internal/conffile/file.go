package conffile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxSize is the most that a configuration file may have, in bytes.
const MaxSize = 1 << 20

// File is one configuration file.
type File struct {
	src      []byte
	ini      bool
	sections []section
}

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
	return f, nil
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
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if st, err := r.Stat(); err == nil && st.IsDir() {
		return nil, fmt.Errorf("%s is a folder", path)
	}
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
	var names []string
	for _, s := range f.sections {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, s.name) }) {
			names = append(names, s.name)
		}
	}
	return names
}

// Keys returns the keys of all sections of that name, each once.
func (f *File) Keys(name string) []string {
	var keys []string
	for _, s := range f.sections {
		if !strings.EqualFold(s.name, name) {
			continue
		}
		for _, e := range s.entries {
			if !slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, e.key) }) {
				keys = append(keys, e.key)
			}
		}
	}
	return keys
}

// Get returns a value and its line. Names are compared without case. Where a
// section or a key stands more than once the last one counts. A value of
// several lines is joined with blanks.
func (f *File) Get(name, key string) (value string, line int, ok bool) {
	e := f.find(name, key)
	if e == nil {
		return "", 0, false
	}
	return e.text, lineOf(f.src, e.whole.from), true
}

// find returns the entry that counts, or nil.
func (f *File) find(name, key string) (found *entry) {
	for i := range f.sections {
		if !strings.EqualFold(f.sections[i].name, name) {
			continue
		}
		for j := range f.sections[i].entries {
			if e := &f.sections[i].entries[j]; strings.EqualFold(e.key, key) {
				found = e
			}
		}
	}
	return found
}

// defaultSyntax makes a new file at path fit its name.
func defaultSyntax(path string) *File {
	return &File{ini: strings.EqualFold(filepath.Ext(path), ".ini")}
}
