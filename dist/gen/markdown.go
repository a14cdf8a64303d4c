package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what a block of Markdown is.
type kind uint8

const (
	prose kind = iota
	heading
	code
	table
)

type block struct {
	kind kind
	text string
}

// blocks takes a document apart. It knows the Markdown that docs/cli is written in:
// indented code, one line for a heading, tables with a bar in front.
func blocks(md string) (list []block) {
	var lines []string
	of := prose
	end := func() {
		if t := strings.Trim(strings.Join(lines, "\n"), "\n"); t != "" {
			list = append(list, block{of, t})
		}
		lines = nil
	}
	for line := range strings.SplitSeq(md, "\n") {
		now := prose
		switch {
		case strings.TrimSpace(line) == "": // ends all but code, which may go on
			if of != code {
				end()
				of = prose
				continue
			}
			now = code
		case strings.HasPrefix(line, "#"):
			now = heading
		case strings.HasPrefix(line, "    ") && (of == code || len(lines) == 0):
			now = code
		case strings.HasPrefix(line, "|"):
			now = table
		}
		if now != of || now == heading {
			end()
			of = now
		}
		lines = append(lines, line)
	}
	end()
	return list
}

// definitions turns a table into a list that fits any width: what the first column
// has, and below it what the others say of it.
func definitions(md string) (string, error) {
	rows := strings.Split(md, "\n")
	if len(rows) < 3 || !strings.HasPrefix(rows[1], "|--") {
		return "", fmt.Errorf("not a table: %s", rows[0])
	}
	head := cells(rows[0])
	var b strings.Builder
	if strings.HasPrefix(head[0], "on ") { // the same done at two places
		b.WriteString(sentence(head[0]) + ":\n\n")
	}
	for _, row := range rows[2:] {
		c := cells(row)
		if len(c) != len(head) {
			return "", fmt.Errorf("a row with %d cells in a table with %d: %s", len(c), len(head), row)
		}
		term, body := definition(head, c)
		if term == "" {
			term = "…" // goes on with the line above
		}
		if body == "" {
			body = "–"
		}
		fmt.Fprintf(&b, "%s\n:   %s\n\n", term, body)
	}
	return strings.TrimRight(b.String(), "\n"), nil
}

// cells takes a row apart at its bars; a bar with a backslash is text.
func cells(row string) (list []string) {
	const bar = "\x00"
	row = strings.ReplaceAll(strings.TrimSpace(row), `\|`, bar)
	for c := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(row, "|"), "|"), "|") {
		list = append(list, strings.ReplaceAll(strings.TrimSpace(c), bar, "|"))
	}
	return list
}

// plainHeads are columns that need no name in front of what they say.
var plainHeads = map[string]bool{
	"what": true, "meaning": true, "what it does": true, "when": true, "answer": true, "serves": true, "what to do": true,
}

// definition is one row: a name, and a text about it.
func definition(head, c []string) (term, body string) {
	last := len(c) - 1
	switch {
	case len(head) == 7 && head[0] == "flag":
		return c[0], flagText(head, c)
	case len(head) == 3 && head[1] == "type":
		return c[0] + " (" + c[1] + ")", sentence(c[2])
	case len(head) == 3 && plainHeads[head[last]] && !plainHeads[head[1]] && len(c[0])+len(c[1]) < 60:
		return c[0] + "  " + c[1], sentence(c[2])
	case len(head) == 2 && plainHeads[head[1]]:
		return c[0], sentence(c[1])
	}
	var parts []string
	for i := 1; i < len(c); i++ {
		switch {
		case c[i] == "":
		case i == 1 && plainHeads[head[1]]:
			parts = append(parts, sentence(c[i]))
		default:
			parts = append(parts, sentence(head[i])+": "+c[i])
		}
	}
	return c[0], strings.Join(parts, ". ")
}

// flagText is what the table of a daemon's flags says of one.
func flagText(head, c []string) string {
	values, def, key, taken, listed, what := c[1], c[2], c[3], c[4], c[5], c[6]
	s := sentence(what) + "."
	if values != "switch" && values != "text" {
		s += " Values: " + values + "."
	}
	if def != "none" && values != "switch" {
		s += " Default: " + def + "."
	}
	if key != "" {
		s += " Key: " + key + " (" + taken + ")."
	}
	return s + " Listed by: " + listed + "."
}

// sentence begins with a capital, unless it begins with something to be typed.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	word, _, _ := strings.Cut(s, " ")
	if n == 0 || !unicode.IsLower(r) || strings.ContainsAny(word, "`_./0123456789") || programs[word] {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// programs keep their small letters at the beginning of a sentence.
var programs = map[string]bool{"pedserver": true, "pedclient": true, "softped": true, "hsmcm": true, "libusb": true, "openped": true}
