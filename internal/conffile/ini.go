package conffile

import "strings"

// ini parses
//
//	file    = { "[" name "]" line { name "=" value line } } .
//
// where a line that begins with ; # or // is a comment. A value is all that
// follows on its line.
func (p *parser) ini() error {
	for {
		p.iniBlank()
		from := p.pos
		if p.pos == len(p.src) {
			break
		}
		if p.peek() == '[' {
			p.pos++
			name := p.name("]")
			if p.peek() != ']' || name == "" {
				return p.fail(from, "a section is to begin here: write [NAME]")
			}
			p.pos++
			if rest := p.name(""); rest != "" && rest[0] != ';' && rest[0] != '#' && !strings.HasPrefix(rest, "//") {
				return p.fail(from, "something stands behind [%s]", printable(name))
			}
			p.close(from)
			p.sections = append(p.sections, section{name: name, whole: span{from: from}, body: span{from: p.pos}})
			continue
		}
		e := entry{key: p.name("=")}
		switch {
		case p.peek() != '=' || e.key == "":
			return p.fail(from, "%s has no value: write NAME=VALUE", quote(e.key))
		case len(p.sections) == 0:
			return p.fail(from, "%s stands outside of a section", quote(e.key))
		}
		p.pos++
		at := p.pos
		line := p.name("")
		lead := strings.IndexFunc(string(p.src[at:p.pos]), func(r rune) bool { return !strings.ContainsRune(blanks, r) })
		if lead < 0 {
			lead = 0
		}
		e.text, e.value = line, span{at + lead, at + lead + len(line)}
		e.whole = span{from, e.value.to}
		s := &p.sections[len(p.sections)-1]
		s.entries = append(s.entries, e)
	}
	p.close(len(p.src))
	return nil
}

// close ends the last section at the byte at.
func (p *parser) close(at int) {
	if n := len(p.sections); n > 0 {
		p.sections[n-1].whole.to = at
		p.sections[n-1].body.to = at
	}
}

// iniBlank is blank with the comments of INI too.
func (p *parser) iniBlank() {
	for p.blank(); p.peek() == ';'; p.blank() {
		p.line()
	}
}
