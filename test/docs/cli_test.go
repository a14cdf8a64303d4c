package docs

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"openped/hsmcm"
	"openped/internal/daemon"
	"openped/internal/rc"
	"openped/internal/setting"
	pedclient "openped/pedclient/cli"
	pedserver "openped/pedserver/cli"
	"openped/protocol/hsmapi"
	softped "openped/softped/cli"
)

// help is what a program prints for these arguments.
func help(t *testing.T, program string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	code := 0
	switch program {
	case "pedserver":
		code = pedserver.Main(args, &out, &out)
	case "pedclient":
		code = pedclient.Main(args, &out, &out)
	case "softped":
		code = softped.Main(args, os.Stdin, &out, &out)
	case "hsmcm":
		code = hsmcm.Run(args, hsmcm.Streams{In: strings.NewReader(""), Out: &out, Err: &out}, nil)
	}
	if code != 0 || out.Len() == 0 {
		t.Fatalf("%s %v: exit code %d, %q", program, args, code, out.String())
	}
	return out.String()
}

var (
	flagLine = regexp.MustCompile(`(?m)^  -(\w+)`)
	flagSpan = regexp.MustCompile("`-(\\w+)")
)

// flagsIn are the flags that a text names.
func flagsIn(re *regexp.Regexp, text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		all[m[1]] = true
	}
	return all
}

// daemons are the programs whose command line is a table.
var daemons = []*daemon.Program{pedserver.Program, pedclient.Program}

// line is a command as one types it: "-mode start", "-regen".
func line(c daemon.Command) []string {
	if c.Word == "" {
		return []string{"-" + c.Top}
	}
	return []string{"-" + c.Top, c.Word}
}

// nameOf is a command as the table of settings calls it: "start", "appliance
// list", "regen".
func nameOf(c daemon.Command) string {
	if c.Top == "mode" {
		return c.Word
	}
	return strings.TrimSpace(c.Top + " " + c.Word)
}

// TestHelp: what a daemon prints when it is asked for help fits a terminal, and
// names the flags that the table gives the command, and no other.
func TestHelp(t *testing.T) {
	for _, p := range daemons {
		fits(t, p.Name, help(t, p.Name))
		fits(t, p.Name+" -help", help(t, p.Name, "-help"))
		for _, c := range p.Commands {
			what := p.Name + " " + strings.Join(line(c), " ")
			text := help(t, p.Name, append(line(c), "-help")...)
			fits(t, what, text)
			named := flagsIn(helpFlag, commandSpan.ReplaceAllString(text, ""))
			for _, s := range p.Table {
				if in := slices.Contains(s.In, nameOf(c)); in != named[s.Name] {
					t.Errorf("%s: the table has -%s for it: %v; its help names it: %v", what, s.Name, in, named[s.Name])
				}
				delete(named, s.Name)
			}
			for f := range named {
				t.Errorf("%s: the help names -%s, which is no flag", what, f)
			}
		}
	}
}

// commandSpan is a command in a text, in full or as another mentions it.
var commandSpan = regexp.MustCompile(`(?:ped(?:server|client) |[("])-\w+(?: [a-z]+)?(?:\s+-help)?`)

var helpFlag = regexp.MustCompile(`(?:^|[\s([])-([a-z][a-z_]*)\b`)

func fits(t *testing.T, what, text string) {
	t.Helper()
	if n := strings.Count(text, "\n"); n > 23 { // and the next prompt
		t.Errorf("%s: %d lines", what, n)
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%s: %d columns: %s", what, n, line)
		}
	}
}

// TestFlagTables: the table of a daemon's page has a row for each flag, in the
// program's order, with its spellings, range, default, key, when it is taken, and
// the commands that list it.
func TestFlagTables(t *testing.T) {
	for _, p := range daemons {
		rows := load(t, "docs/cli/"+p.Name+".md").section(t, "Flags").table(t, "flag", "values", "default", "key in the file", "taken", "listed by", "what").rows
		for i, s := range p.Table {
			want := flagRow(s)
			if i >= len(rows) || strings.Join(rows[i][:len(want)], "|") != strings.Join(want, "|") {
				t.Errorf("%s, row %d: want\n| %s | %s |", p.Name, i+1, strings.Join(want, " | "), s.Usage)
			}
		}
		if len(rows) != len(p.Table) {
			t.Errorf("%s: %d rows for %d flags", p.Name, len(rows), len(p.Table))
		}
	}
	compareFlags(t, load(t, "docs/cli/softped.md"), flagsIn(flagLine, help(t, "softped", "-help")))
}

// flagRow is what a row says of a flag, but for the words.
func flagRow(s *setting.Setting) []string {
	flag := "`-" + s.Name
	if s.Value != "" {
		flag += " <" + s.Value + ">"
	}
	flag += "`"
	for _, a := range s.Aliases {
		flag += ", `-" + a + "`"
	}
	values := s.Range()
	switch {
	case s.Kind == setting.Switch:
		values = "switch"
	case s.Kind == setting.Path:
		values = "path"
	case values == "":
		values = "text"
	}
	if s.Many {
		values += ", repeatable"
	}
	def, key, taken := s.Default, "", "command line"
	if def == "" {
		def = "none"
		if s.Kind == setting.Switch {
			def = "off"
		}
	}
	if s.Key != "" {
		key, taken = "`"+s.Key+"`", "at the start"
		if s.Live {
			taken = "live"
		}
	}
	var in []string
	for _, c := range s.In {
		if top, word, ok := strings.Cut(c, " "); ok && len(in) > 0 && strings.HasPrefix(in[len(in)-1], top+" ") {
			in[len(in)-1] += "/" + word
			continue
		}
		in = append(in, c)
	}
	return []string{flag, values, def, key, taken, strings.Join(in, ", ")}
}

// compareFlags: a page has the flags of a help text, and no others.
func compareFlags(t *testing.T, p *page, have map[string]bool) {
	t.Helper()
	tables := ""
	for _, s := range p.sections {
		for _, tab := range s.tables() {
			if tab.header[0] != "flag" {
				continue
			}
			for _, r := range tab.rows {
				tables += r[0] + "\n"
			}
		}
	}
	named := flagsIn(flagSpan, tables)
	for f := range have {
		if !named[f] {
			t.Errorf("%s has no -%s", p.name, f)
		}
	}
	for f := range named {
		if !have[f] && f != "blank" && f != "version" && f != "help" { // -blank is -newkeys
			t.Errorf("%s has -%s, the program has not", p.name, f)
		}
	}
}

// TestReturnCodes: the page has every code, with its number and its name.
func TestReturnCodes(t *testing.T) {
	rows := load(t, "docs/cli/return-codes.md").section(t, "Codes").table(t, "number", "name", "when").rows
	all := rc.All()
	for i, c := range all {
		if i >= len(rows) || bare(rows[i][0])+" "+bare(rows[i][1]) != c.String() || rows[i][2] == "" {
			t.Errorf("row %d: want %s", i+1, c)
		}
	}
	if len(rows) != len(all) {
		t.Errorf("%d rows for %d codes", len(rows), len(all))
	}
}

// TestConsoleCommands: the page of hsmcm has the commands, with their flags.
func TestConsoleCommands(t *testing.T) {
	p := load(t, "docs/cli/hsmcm.md")
	rows := p.section(t, "Commands").table(t, "command", "what it does").rows
	inPage := map[string]string{} // command → its cell
	for _, r := range rows {
		words := []string{}
		for w := range strings.FieldsSeq(bare(r[0])) {
			if strings.HasPrefix(w, "[") || strings.HasPrefix(w, "-") {
				break
			}
			words = append(words, w)
		}
		inPage[strings.Join(words, " ")] = r[0] + " " + r[1]
	}
	usage := help(t, "hsmcm", "-help")
	seen := 0
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+){0,2})  +\S`).FindAllStringSubmatch(usage, -1) {
		name := m[1]
		seen++
		cell, ok := inPage[name]
		if !ok {
			t.Errorf("the page has no command %q", name)
			continue
		}
		delete(inPage, name)
		if name == "help" || name == "exit" {
			continue
		}
		text := help(t, "hsmcm", append([]string{"help"}, strings.Fields(name)...)...)
		anyFlag := regexp.MustCompile(`(?:^|[ \[(])-([a-z]+)\b`)
		have := flagsIn(anyFlag, strings.SplitN(text, "usage:", 2)[1])
		page := flagsIn(anyFlag, bare(cell))
		for f := range page {
			if !have[f] {
				t.Errorf("%s: the page has -%s, the program has not", name, f)
			}
		}
		for f := range have {
			if !page[f] && f != "slot" && f != "pwd" { // said once, below the table
				t.Errorf("%s: the page has no -%s", name, f)
			}
		}
	}
	for name := range inPage {
		t.Errorf("the program has no command %q", name)
	}
	if seen < 14 {
		t.Errorf("%d commands", seen)
	}
	for f := range flagsIn(flagLine, usage) {
		if f != "version" && !strings.Contains(p.sections[1].text, "-"+f) {
			t.Errorf("the page has no -%s", f)
		}
	}
}

// TestResultCodes: pages that explain codes name them as the code does.
func TestResultCodes(t *testing.T) {
	seen := 0
	for _, tab := range load(t, "docs/cli/hsmcm.md").section(t, "Results").tables() {
		for _, r := range tab.rows {
			seen++
			if c := hsmapi.Code(number(t, r[0])); c.Name() != r[1] {
				t.Errorf("code %s is %q on the page and %q in the code", r[0], r[1], c.Name())
			}
		}
	}
	if seen == 0 {
		t.Error("no codes")
	}
}
