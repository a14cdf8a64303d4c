package softped

import (
	"fmt"
	"strconv"
	"strings"
)

// Size of the LCD.
const (
	Rows    = 8
	Columns = 20
)

// brand stands on line 8 of every screen, so that nobody takes a program for
// the hardware.
const brand = "SOFTWARE PED"

// Screen is what the LCD shows.
type Screen struct {
	ID    string       // stable name of the screen, as in docs/SPEC.md
	Seq   uint64       // counts the screens shown; typing into one does not change it
	Lines [Rows]string // at most 20 printable ASCII characters each
}

// Text returns the lines without line 8, which changes every second.
func (s Screen) Text() string { return strings.Join(s.Lines[:Rows-1], "\n") }

// Boxed returns the 8 lines as "|HELLO               |".
func (s Screen) Boxed() []string {
	out := make([]string, Rows)
	for i, l := range s.Lines {
		out[i] = fmt.Sprintf("|%-*s|", Columns, l)
	}
	return out
}

// page is a screen without line 8.
type page struct {
	id   string
	rows []string
}

// newPage panics on a row that the LCD would have to wrap, on a character it
// does not have and on a row too many: these are mistakes in the program, since
// nothing a peer sends becomes a row unchecked.
func newPage(id string, rows ...string) page {
	if id == "" || len(rows) >= Rows {
		panic(fmt.Sprintf("softped: screen %q has %d rows", id, len(rows)))
	}
	for _, r := range rows {
		if !fits(r) {
			panic(fmt.Sprintf("softped: screen %s: row %q does not fit", id, r))
		}
	}
	return page{id: id, rows: rows}
}

// fits reports whether s is one row of the LCD.
func fits(s string) bool {
	if len(s) > Columns {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// clip cuts a name that a peer chose to n characters and replaces what the LCD
// does not have.
func clip(s string, n int) string {
	b := []byte(s)
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			b[i] = '?'
		}
	}
	if len(b) > n {
		b = append(b[:n-1], '~')
	}
	return string(b)
}

// lines lays p out with the seconds left, or without a number if secs < 0.
func (p page) lines(secs int) (l [Rows]string) {
	copy(l[:Rows-1], p.rows)
	l[Rows-1] = brand
	if secs >= 0 {
		l[Rows-1] = pad(brand, strconv.Itoa(secs))
	}
	return l
}

// pad puts left and right at the ends of a row.
func pad(left, right string) string {
	return left + strings.Repeat(" ", max(1, Columns-len(left)-len(right))) + right
}

// stars shows n digits typed, in at most 20 columns: "*****", and from 21 digits
// on 17 stars and how many more there are. Which digits they are nobody sees.
func stars(n int) string {
	if n <= Columns {
		return strings.Repeat("*", n)
	}
	const shown = Columns - len("+31")
	return fmt.Sprintf("%s+%02d", strings.Repeat("*", shown), n-shown)
}
