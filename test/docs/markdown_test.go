package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the module's folder as seen from this package.
const root = "../.."

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section is one heading with what stands under it, up to the next heading.
type section struct {
	level int
	title string
	text  string
}

// table is a Markdown table: its column names and its rows. bold is the last
// "**…**" at the start of a line before it, in the same section.
type table struct {
	bold   string
	header []string
	rows   [][]string
}

// page is a document cut at its headings; text in code blocks is none.
type page struct {
	name     string
	sections []section
}

func load(t testing.TB, name string) *page {
	t.Helper()
	p := &page{name: name}
	cur := section{}
	var b strings.Builder
	code := false
	for line := range strings.SplitSeq(read(t, name), "\n") {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if m := headingLine.FindStringSubmatch(line); m != nil && !code {
			cur.text = b.String()
			p.sections = append(p.sections, cur)
			b.Reset()
			cur = section{level: len(m[1]), title: m[2]}
			continue
		}
		b.WriteString(line + "\n")
	}
	cur.text = b.String()
	p.sections = append(p.sections, cur)
	return p
}

var headingLine = regexp.MustCompile(`^(#{1,4}) (.+)$`)

// section finds a section by its title.
func (p *page) section(t testing.TB, title string) section {
	t.Helper()
	for _, s := range p.sections {
		if s.title == title {
			return s
		}
	}
	t.Fatalf("%s has no section %q", p.name, title)
	return section{}
}

func (p *page) titles() map[string]bool {
	all := map[string]bool{}
	for _, s := range p.sections {
		all[s.title] = true
	}
	return all
}

// anchors are the fragments that links may name, as code hosts make them.
func (p *page) anchors() map[string]bool {
	all := map[string]bool{}
	for _, s := range p.sections {
		var b strings.Builder
		for _, r := range strings.ToLower(s.title) {
			switch {
			case r == ' ':
				b.WriteRune('-')
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 0x7f:
				b.WriteRune(r)
			}
		}
		all[b.String()] = true
	}
	return all
}

// tables returns the tables of a section.
func (s section) tables() []table {
	var all []table
	var cur *table
	bold := ""
	for line := range strings.SplitSeq(s.text, "\n") {
		if m := boldLine.FindStringSubmatch(line); m != nil {
			bold = m[1]
		}
		if !strings.HasPrefix(line, "|") {
			cur = nil
			continue
		}
		cells := splitRow(line)
		switch {
		case cur == nil:
			all = append(all, table{bold: bold, header: cells})
			cur = &all[len(all)-1]
		case len(cur.rows) == 0 && strings.Trim(strings.Join(cells, ""), "-: ") == "":
		default:
			cur.rows = append(cur.rows, cells)
		}
	}
	return all
}

var boldLine = regexp.MustCompile(`^\*\*([^*]+)\*\*`)

// splitRow cuts a row into cells without code marks; "\|" is no border.
func splitRow(line string) []string {
	line = strings.ReplaceAll(strings.Trim(strings.TrimSpace(line), "|"), `\|`, "\x00")
	cells := strings.Split(line, "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(c, "\x00", "|"))
	}
	return cells
}

// table finds the table of a section whose first columns have these names.
func (s section) table(t testing.TB, columns ...string) table {
	t.Helper()
	for _, tab := range s.tables() {
		if len(tab.header) >= len(columns) && strings.Join(tab.header[:len(columns)], "|") == strings.Join(columns, "|") {
			if len(tab.rows) == 0 {
				t.Fatalf("section %q: table %v is empty", s.title, columns)
			}
			return tab
		}
	}
	t.Fatalf("section %q has no table %v", s.title, columns)
	return table{}
}

// bare takes the code marks off a cell.
func bare(cell string) string { return strings.ReplaceAll(cell, "`", "") }

// The test of the reader itself: a reader that finds nothing would let all
// other tests pass.
func TestReader(t *testing.T) {
	p := load(t, "docs/SPEC.md")
	if n := len(p.sections); n < 50 {
		t.Errorf("%d sections", n)
	}
	tab := p.section(t, "From the HSM").table(t, "field", "size")
	if tab.bold != "0x01 Authenticate" || len(tab.rows) != 6 || tab.rows[4][1] != "2" {
		t.Errorf("%+v", tab)
	}
	if !p.anchors()["m-of-n"] || !p.anchors()["constants-and-time-outs"] {
		t.Error("anchors")
	}
	if c := splitRow("| a | `b\\|c` | |"); len(c) != 3 || c[1] != "`b|c`" || c[2] != "" {
		t.Errorf("%q", c)
	}
}
