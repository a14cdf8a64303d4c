package main

import (
	"strings"
	"unicode/utf8"
)

// The widths of code in a terminal of 80 columns: indented, as far as the text, and
// at most.
const (
	narrow = 67
	normal = 72
	widest = 78
)

// finish gives what go-md2man wrote the looks of a manual: no hyphens in the middle
// of names, no stretched lines, code indented where it has the room.
func finish(roff string) string {
	var b strings.Builder
	synopsis := false
	lines := strings.Split(roff, "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, ".TH "):
			b.WriteString(line + "\n.nr HY 0\n.nh\n.ad l\n")
			continue
		case strings.HasPrefix(line, ".SH "):
			synopsis = line == ".SH SYNOPSIS"
		case line == ".EX":
			b.WriteString(indent(lines[i+1:], synopsis) + line + "\n")
			continue
		case line == ".EE":
			b.WriteString(line + "\n.in\n")
			continue
		}
		b.WriteString(line)
		if i < len(lines)-1 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// indent says where the code that begins here stands.
func indent(lines []string, synopsis bool) string {
	wide := 0
	for _, line := range lines {
		if line == ".EE" {
			break
		}
		wide = max(wide, utf8.RuneCountInString(strings.NewReplacer(`\-`, "-", `\&`, "", `\\`, `\`).Replace(line)))
	}
	switch {
	case synopsis || wide > narrow && wide <= normal:
		return ".in +0n\n"
	case wide <= narrow:
		return ".in +4n\n"
	}
	return ".in 0\n"
}

// fold breaks lines of code that no terminal has room for; drawings stay whole.
func fold(code string) string {
	var out []string
	for line := range strings.SplitSeq(code, "\n") {
		text := strings.TrimPrefix(line, "    ")
		if utf8.RuneCountInString(text) <= widest || strings.HasPrefix(text, "|") {
			out = append(out, line)
			continue
		}
		more := ""
		for _, part := range wrap(text, normal-4) {
			out = append(out, "    "+more+part)
			more = "    "
		}
	}
	return strings.Join(out, "\n")
}
