package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"openped/test/lab"
)

// The page: 100 columns, the display on the left, the console on the right.
const (
	pageWidth  = 100
	lcdWidth   = 22
	gap        = 3
	rightWidth = pageWidth - lcdWidth - gap - 1
)

// view prints what happens, plain on a file and with some colour on a terminal.
type view struct {
	w      io.Writer
	colour bool
	pace   time.Duration // a pause after each block, for people
	step   int
}

const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	green  = "\x1b[32m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
)

func (v *view) in(colour, text string) string {
	if !v.colour {
		return text
	}
	return colour + text + "\x1b[0m"
}

func (v *view) printf(format string, args ...any) { fmt.Fprintf(v.w, format, args...) }

// heading begins a numbered step and explains it in a line or two.
func (v *view) heading(title, why string) {
	v.step++
	line := fmt.Sprintf("== %d. %s ", v.step, title)
	v.printf("\n%s\n", v.in(bold, line+strings.Repeat("=", max(0, pageWidth-utf8.RuneCountInString(line)))))
	for _, l := range wrap(why, "", pageWidth-4) {
		v.printf("   %s\n", v.in(dim, l))
	}
	v.printf("\n")
}

// line is a fact of the demo's own, outside the two columns.
func (v *view) line(format string, args ...any) {
	for _, l := range wrap(fmt.Sprintf(format, args...), "  ", pageWidth-4) {
		v.printf("   %s\n", l)
	}
}

// block prints a screen with what the console said meanwhile, and what the
// people do about it.
func (v *view) block(s lab.Screen, console []string, does string) {
	for _, l := range v.columns(s, console, does) {
		v.printf(" %s\n", l)
	}
	time.Sleep(v.pace)
}

// brief prints a screen of a kind that was shown before in one line.
func (v *view) brief(s lab.Screen, console []string, does string) {
	v.console(console)
	if does != "" {
		does = v.in(cyan, clip("--> "+does, pageWidth-53))
	}
	v.printf("%s\n", strings.TrimRight(fmt.Sprintf("   %-48s %s", clip(asks(s), 48), does), " "))
	time.Sleep(v.pace / 4)
}

// asks is what a screen says, in one line: without the HSM's serial above and
// the time left below.
func asks(s lab.Screen) string {
	var words []string
	for _, l := range s.Lines[min(1, len(s.Lines)):max(len(s.Lines)-1, 0)] {
		if l = strings.TrimSpace(l); l != "" {
			words = append(words, l)
		}
	}
	return strings.Join(words, " ")
}

func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-2]) + ".."
}

// columns is a block's lines.
func (v *view) columns(s lab.Screen, console []string, does string) []string {
	left := lcd(s)
	var right []string
	for _, l := range console {
		for _, l := range wrap(l, "  ", rightWidth) {
			right = append(right, v.tint(l))
		}
	}
	if does != "" {
		if len(right) > 0 {
			right = append(right, "")
		}
		for i, l := range wrap(does, "", rightWidth-4) {
			mark := "--> "
			if i > 0 {
				mark = "    "
			}
			right = append(right, v.in(cyan, mark+l))
		}
	}
	if len(left) == 0 {
		left = []string{strings.Repeat(" ", lcdWidth)}
	}
	var out []string
	for i := range max(len(left), len(right)) {
		l, r := strings.Repeat(" ", lcdWidth), ""
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		out = append(out, strings.TrimRight(l+strings.Repeat(" ", gap)+r, " "))
	}
	return out
}

// console prints what the console said since the last block, in its column.
func (v *view) console(lines []string) {
	if len(lines) > 0 {
		v.block(lab.Screen{}, lines, "")
	}
}

// tint marks results.
func (v *view) tint(l string) string {
	switch {
	case strings.HasPrefix(l, "hsmcm:>"):
		return v.in(bold, l)
	case strings.HasPrefix(l, "Command Result : No Error"):
		return v.in(green, l)
	case strings.HasPrefix(l, "Command Result"), strings.HasPrefix(l, "Error in execution"), strings.HasPrefix(l, "Caution"):
		return v.in(yellow, l)
	}
	return l
}

// lcd draws a display with its frame; nothing for no screen.
func lcd(s lab.Screen) []string {
	if s.ID == "" {
		return nil
	}
	frame := "+" + strings.Repeat("-", lcdWidth-2) + "+"
	out := []string{frame}
	for i := range 8 {
		l := ""
		if i < len(s.Lines) {
			l = s.Lines[i]
		}
		out = append(out, fmt.Sprintf("|%-20.20s|", l))
	}
	return append(out, frame)
}

// wrap breaks a text at spaces into lines of at most n characters; the second
// and later ones begin with indent. A text that fits stays as it is.
func wrap(text, indent string, n int) []string {
	if utf8.RuneCountInString(text) <= n {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		for len(word) > n-len(indent) {
			lines = append(lines, strings.TrimRight(line, " "), indent+word[:n-len(indent)])
			word, line = word[n-len(indent):], indent
		}
		switch {
		case strings.TrimSpace(line) == "":
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= n:
			line += " " + word
		default:
			lines = append(lines, line)
			line = indent + word
		}
	}
	if strings.TrimSpace(line) != "" {
		lines = append(lines, line)
	}
	return slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
}

// check is one expectation and what became of it.
type check struct {
	step int
	what string
	err  error
}

// summary prints the table at the end.
func (v *view) summary(checks []check, took time.Duration) {
	v.printf("\n%s\n", v.in(bold, "== Summary "+strings.Repeat("=", pageWidth-11)))
	failed := 0
	for _, c := range checks {
		verdict := v.in(green, "ok  ")
		if c.err != nil {
			failed++
			verdict = v.in(red, "FAIL")
		}
		v.printf("   %s  %2d  %s\n", verdict, c.step, c.what)
		if c.err != nil {
			for _, l := range wrap(c.err.Error(), "", pageWidth-14) {
				v.printf("             %s\n", l)
			}
		}
	}
	v.printf("\n   %d of %d expectations held, in %d s.\n", len(checks)-failed, len(checks), int(took.Seconds()+0.5))
}
