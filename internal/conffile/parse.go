package conffile

import (
	"bytes"
	"fmt"
	"strings"
)

// SyntaxError is a file that can not be understood.
type SyntaxError struct {
	Line int // from 1
	Msg  string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// span is a part of the file, from its first byte to behind its last.
type span struct{ from, to int }

type entry struct {
	key   string
	whole span // from the key to behind what ends the value
	value span // without the blanks around it
	text  string
	line  int
	open  bool // braces: no semicolon ends the value
}

type section struct {
	name    string
	whole   span // from the name or bracket to behind the closing brace, or the next section
	body    span // where the entries stand
	entries []entry
}

// parser walks through the bytes. Both syntaxes fill sections.
type parser struct {
	src      []byte
	pos      int
	sections []section
}

// blank moves over blanks, line ends and comments. A comment begins a token:
// "a//b" is none.
func (p *parser) blank() {
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == ' ', c == '\t', c == '\r', c == '\n':
			p.pos++
		case p.comment():
			p.line()
		default:
			return
		}
	}
}

// comment reports whether a comment begins here.
func (p *parser) comment() bool {
	return p.src[p.pos] == '#' || bytes.HasPrefix(p.src[p.pos:], []byte("//"))
}

// line moves to the line's end, which it leaves.
func (p *parser) line() {
	if i := bytes.IndexByte(p.src[p.pos:], '\n'); i >= 0 {
		p.pos += i
		return
	}
	p.pos = len(p.src)
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &SyntaxError{Line: lineOf(p.src, at), Msg: fmt.Sprintf(format, args...)}
}

func lineOf(src []byte, at int) int { return 1 + bytes.Count(src[:at], []byte("\n")) }

// peek returns the byte here, or 0 at the end: the file has no zero bytes.
func (p *parser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

// name reads up to one of the bytes in ends, on this line, and returns it
// without the blanks around it.
func (p *parser) name(ends string) string {
	from := p.pos
	for p.pos < len(p.src) && p.src[p.pos] != '\n' && strings.IndexByte(ends, p.src[p.pos]) < 0 {
		p.pos++
	}
	return strings.Trim(string(p.src[from:p.pos]), blanks)
}

const blanks = " \t\r"
