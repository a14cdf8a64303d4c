package docs

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"openped/hsmcm"
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

// flagsIn are the flags of help lines; sameAs are those a page may name beside
// them: other spellings, and flags that every mode has.
func flagsIn(re *regexp.Regexp, text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		all[m[1]] = true
	}
	return all
}

// TestHelpFits: what a daemon prints when it is asked for help fits a terminal.
func TestHelpFits(t *testing.T) {
	for _, c := range [][]string{
		{"pedserver"}, {"pedserver", "-help"}, {"pedserver", "-mode", "start", "-help"}, {"pedserver", "-mode", "stop", "-help"},
		{"pedclient"}, {"pedclient", "-help"}, {"pedclient", "-mode", "start", "-help"}, {"pedclient", "-mode", "createhsm", "-help"},
	} {
		text := help(t, c[0], c[1:]...)
		if n := strings.Count(text, "\n"); n > 23 { // and the next prompt
			t.Errorf("%v: %d lines", c, n)
		}
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%v: %d columns: %s", c, n, line)
			}
		}
	}
}

// TestFlags: the tables of a page have the flags of -help all, mode by mode.
func TestFlags(t *testing.T) {
	spellings := map[string]bool{"logfilename": true, "blank": true} // other names of -logfile and -newkeys
	for _, program := range []string{"pedserver", "pedclient"} {
		page := load(t, "docs/cli/"+program+".md")
		for part := range strings.SplitSeq(help(t, program, "-help", "all"), "\n\n"+program+" -mode ") {
			mode, flags, ok := strings.Cut(part, " [options]\n")
			if !ok {
				continue
			}
			compareFlags(t, program+" -mode "+mode, page, mode, flagsIn(flagLine, flags), spellings)
		}
	}
	compareFlags(t, "softped", load(t, "docs/cli/softped.md"), "", flagsIn(flagLine, help(t, "softped", "-help")), spellings)
}

func compareFlags(t *testing.T, what string, p *page, mode string, have, spellings map[string]bool) {
	t.Helper()
	tables, text := "", ""
	for _, s := range p.sections {
		text += s.text
		if mode != "" && s.title != mode {
			continue
		}
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
		// Modes other than start and createhsm take flags of start's table.
		if !named[f] && (tables != "" || !strings.Contains(text, "`-"+f)) {
			t.Errorf("%s: the page has no -%s", what, f)
		}
	}
	for f := range named {
		if !have[f] && !spellings[f] && f != "version" && f != "help" {
			t.Errorf("%s: the page has -%s, the program has not", what, f)
		}
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
