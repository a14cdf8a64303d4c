package conffile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Set changes a value, or adds the key to the last section of that name, or
// adds the section. It refuses what the syntax can not hold. The key that counts
// is changed where there are several.
func (f *File) Set(section, key, value string) error {
	if err := f.check(section, key, value); err != nil {
		return err
	}
	old := f.src
	switch e, s := f.find(section, key), f.last(section); {
	case e != nil:
		f.splice(e.value, f.padded(e, value))
	case s != nil:
		f.add(s, key, value)
	default:
		f.addSection(section, key, value)
	}
	// Whatever was overlooked must not reach a file.
	next, err := Parse(f.src)
	if err == nil && next.ini == f.ini {
		if got, _, ok := next.Get(section, key); ok && got == value {
			*f = *next
			return nil
		}
	}
	f.src = old
	return fmt.Errorf("%s can not be written to the file", quote(key))
}

// Unset removes a key wherever the section has it, and reports whether there was
// one.
func (f *File) Unset(section, key string) (found bool) {
	for e := f.find(section, key); e != nil; e = f.find(section, key) {
		if !f.cut(e.whole) {
			return found
		}
		found = true
	}
	return found
}

// RemoveSection removes all sections of that name, and reports whether there was
// one.
func (f *File) RemoveSection(section string) (found bool) {
	for s := f.last(section); s != nil; s = f.last(section) {
		if !f.cut(s.whole) {
			return found
		}
		found = true
	}
	return found
}

// check refuses names and values that would not be read back as they are.
func (f *File) check(section, key, value string) error {
	no, inValue := "={};", "{};"
	if f.ini {
		no, inValue = "=[];", ""
	}
	for _, n := range []string{section, key} {
		if n == "" || n != strings.TrimSpace(n) || strings.ContainsAny(n, no) || strings.HasPrefix(n, "#") || strings.HasPrefix(n, "//") ||
			strings.HasPrefix(n, string(bom)) || control(n) {
			return fmt.Errorf("%s can not be a name in a configuration file", quote(n))
		}
	}
	switch {
	case control(value):
		return fmt.Errorf("the value of %s has a line end or control character", key)
	case value != strings.Trim(value, blanks):
		return fmt.Errorf("the value of %s begins or ends with a blank", key)
	case strings.ContainsAny(value, inValue):
		return fmt.Errorf("the value of %s has one of %s, which the file's syntax does not allow", key, strings.Join(strings.Split(inValue, ""), " "))
	}
	if f.ini {
		return nil
	}
	for _, mark := range []string{"#", "//"} {
		if strings.HasPrefix(value, mark) || strings.Contains(value, " "+mark) || strings.Contains(value, "\t"+mark) {
			return fmt.Errorf("the value of %s has %s behind a blank, which begins a comment", key, mark)
		}
	}
	return nil
}

func control(s string) bool { return strings.IndexFunc(s, unicode.IsControl) >= 0 }

// padded adds a blank where an empty value leaves none before what follows.
func (f *File) padded(e *entry, value string) string {
	if e.value.from > 0 && f.src[e.value.from-1] == '=' && !f.ini {
		value = " " + value
	}
	if e.open && e.value.from == e.value.to {
		value += ";"
	}
	return value
}

// last returns the last section of that name, or nil.
func (f *File) last(name string) *section {
	for i := range slices.Backward(f.sections) {
		if fold(f.sections[i].name) == fold(name) {
			return &f.sections[i]
		}
	}
	return nil
}

// add puts a key behind the last one of s, indented like it.
func (f *File) add(s *section, key, value string) {
	eol := f.eol()
	if len(s.entries) > 0 {
		e := s.entries[len(s.entries)-1]
		semicolon := ""
		if e.open {
			semicolon = ";"
		}
		end := e.whole.to
		text := semicolon
		// A comment behind the entry on its line stays with it.
		rest := f.lineEnd(end)
		if f.blankOrComment(span{end, rest}) {
			f.splice(span{rest, rest}, eol+f.indent(e.whole.from)+f.entry(key, value))
			f.splice(span{end, end}, text)
			return
		}
		f.splice(span{end, end}, text+" "+f.entry(key, value))
		return
	}
	at := s.body.from
	if f.ini {
		at = f.lineEnd(at)
		f.splice(span{at, at}, eol+f.entry(key, value))
		return
	}
	text := eol + "  " + f.entry(key, value)
	switch rest := f.lineEnd(at); {
	case rest >= s.body.to: // the closing brace is on this line
		text += eol
	case f.blankOrComment(span{at, rest}):
		at = rest
	}
	f.splice(span{at, at}, text)
}

// addSection puts a new section at the end of the file.
func (f *File) addSection(name, key, value string) {
	eol := f.eol()
	var b strings.Builder
	if n := len(bytes.TrimPrefix(f.src, bom)); n > 0 {
		if f.src[len(f.src)-1] != '\n' {
			b.WriteString(eol)
		}
		b.WriteString(eol)
	}
	if f.ini {
		b.WriteString("[" + name + "]" + eol + f.entry(key, value) + eol)
	} else {
		b.WriteString(name + " = {" + eol + "  " + f.entry(key, value) + eol + "}" + eol)
	}
	f.splice(span{len(f.src), len(f.src)}, b.String())
}

func (f *File) entry(key, value string) string {
	if f.ini {
		return key + "=" + value
	}
	return key + " = " + value + ";"
}

// splice replaces a part of the bytes.
func (f *File) splice(s span, text string) {
	f.src = slices.Concat(f.src[:s.from], []byte(text), f.src[s.to:])
}

// cut removes a part, with its line if nothing else stands on it, and parses
// what is left.
func (f *File) cut(s span) bool {
	from, to := s.from, s.to
	for from > 0 && (f.src[from-1] == ' ' || f.src[from-1] == '\t') {
		from--
	}
	lineStart := from == 0 || f.src[from-1] == '\n' || from == len(bom) && bytes.HasPrefix(f.src, bom)
	if end := f.lineEnd(to); lineStart && len(bytes.Trim(f.src[to:end], blanks)) == 0 {
		to = f.nextLine(end)
	} else {
		from = s.from
	}
	old := f.src
	f.splice(span{from, to}, "")
	next, err := Parse(f.src)
	if err != nil || next.ini != f.ini && len(next.sections) > 0 {
		f.src = old
		return false
	}
	next.ini = f.ini
	*f = *next
	return true
}

// nextLine returns where the line behind the one that ends at end begins.
func (f *File) nextLine(end int) int {
	if i := bytes.IndexByte(f.src[end:], '\n'); i >= 0 {
		return end + i + 1
	}
	return len(f.src)
}

// lineEnd returns where the line of at ends, before its line end.
func (f *File) lineEnd(at int) int {
	end := len(f.src)
	if i := bytes.IndexByte(f.src[at:], '\n'); i >= 0 {
		end = at + i
		if end > at && f.src[end-1] == '\r' {
			end--
		}
	}
	return end
}

func (f *File) blankOrComment(s span) bool {
	rest := strings.Trim(string(f.src[s.from:s.to]), blanks+";")
	return rest == "" || rest[0] == '#' || strings.HasPrefix(rest, "//")
}

// indent returns the blanks before at on its line.
func (f *File) indent(at int) string {
	from := at
	for from > 0 && (f.src[from-1] == ' ' || f.src[from-1] == '\t') {
		from--
	}
	return string(f.src[from:at])
}

// eol returns how the file ends its lines.
func (f *File) eol() string {
	if i := bytes.IndexByte(f.src, '\n'); i > 0 && f.src[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

func quote(s string) string { return `"` + printable(s) + `"` }

// printable keeps a file's bytes from ending a line or steering a terminal, and
// an error short.
func printable(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}
