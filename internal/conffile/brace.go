package conffile

import (
	"bytes"
	"strings"
)

// braces parses
//
//	file    = { section | ";" } .
//	section = name "=" "{" { entry | ";" } "}" .
//	entry   = name "=" value ( ";" | before "}" ) .
//
// with blanks, line ends and comments between all of these.
func (p *parser) braces() error {
	for {
		p.blank()
		at := p.pos
		switch p.peek() {
		case 0:
			return nil
		case ';':
			p.pos++
			continue
		case '}':
			return p.fail(at, "a closing brace without a section")
		}
		s := section{name: p.name("={};")}
		if p.peek() != '=' || s.name == "" {
			return p.fail(at, "a section is to begin here: write NAME = {")
		}
		p.pos++
		p.blank()
		if p.peek() != '{' {
			return p.fail(at, "%s stands outside of a section, or lacks its opening brace", quote(s.name))
		}
		p.pos++
		s.body.from = p.pos
		if err := p.bracedBody(&s, at); err != nil {
			return err
		}
		s.body.to = p.pos
		p.pos++ // the brace
		s.whole = span{at, p.pos}
		p.sections = append(p.sections, s)
	}
}

// bracedBody reads the entries of s up to its closing brace, which it leaves.
func (p *parser) bracedBody(s *section, at int) error {
	for {
		p.blank()
		from := p.pos
		switch p.peek() {
		case 0:
			return p.fail(at, "section %s is not closed: its } is missing", quote(s.name))
		case ';':
			p.pos++
			continue
		case '}':
			return nil
		}
		e := entry{key: p.name("={};")}
		if p.peek() != '=' || e.key == "" {
			return p.fail(from, "%s has no value: write NAME = VALUE;", quote(e.key))
		}
		p.pos++
		if err := p.bracedValue(&e); err != nil {
			return err
		}
		e.whole = span{from, p.pos}
		s.entries = append(s.entries, e)
	}
}

// bracedValue reads a value, which may go on over several lines with comments at
// their ends, and the semicolon behind it.
func (p *parser) bracedValue(e *entry) error {
	var lines []string
	e.value = span{p.pos, p.pos}
	if c := p.peek(); c == ' ' || c == '\t' {
		e.value = span{p.pos + 1, p.pos + 1} // of an empty value
	}
	for {
		p.blank()
		from := p.pos
		switch p.peek() {
		case ';':
			p.pos++
			e.text = strings.Join(lines, " ")
			return nil
		case '}', 0:
			e.open = true
			e.text = strings.Join(lines, " ")
			p.pos = e.value.to // what follows is not the value's
			return nil
		case '{':
			return p.fail(from, "an opening brace inside of %s: is a } missing above?", quote(e.key))
		}
		p.bracedLine()
		text := strings.TrimRight(string(p.src[from:p.pos]), blanks)
		if bytes.IndexByte(p.src[e.value.to:from], '\n') >= 0 && looksLikeEntry(text) {
			return p.fail(e.value.from, "the value of %s does not end: write a ; behind it", quote(e.key))
		}
		if len(lines) == 0 {
			e.value.from = from
		}
		e.value.to = from + len(text)
		lines = append(lines, text)
	}
}

// bracedLine moves over the part of a value that stands on this line.
func (p *parser) bracedLine() {
	for p.pos < len(p.src) && bytes.IndexByte([]byte("\n;{}"), p.src[p.pos]) < 0 {
		if c := p.src[p.pos-1]; (c == ' ' || c == '\t') && p.comment() {
			return
		}
		p.pos++
	}
}

// looksLikeEntry tells a line that was meant to begin the next entry from one
// that carries a value on: a word, then an equals sign with a blank beside it.
func looksLikeEntry(line string) bool {
	key, value, ok := strings.Cut(line, "=")
	word := strings.Trim(key, blanks)
	return ok && word != "" && !strings.ContainsAny(word, blanks+",:") && (word != key || strings.HasPrefix(value, " "))
}
