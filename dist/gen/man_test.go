package main

import (
	"strings"
	"testing"
	"time"
)

// TestPages: every page can be made, has the sections of a manual, and has neither
// tables nor links left.
func TestPages(t *testing.T) {
	for _, p := range manual {
		md, err := manMarkdown("../..", p, "1.2.3", time.Unix(0, 0).UTC())
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		for _, want := range []string{"% " + strings.ToUpper(p.name), "openped 1.2.3", "# NAME\n\n" + p.name + " - ", "# DESCRIPTION\n", "# SEE ALSO\n"} {
			if !strings.Contains(md, want) {
				t.Errorf("%s: no %q", p.name, want)
			}
		}
		for line := range strings.Lines(md) {
			if strings.HasPrefix(line, "|--") || strings.Contains(line, "](") {
				t.Errorf("%s: %s", p.name, line)
			}
		}
	}
}

func TestDefinitions(t *testing.T) {
	for _, c := range []struct{ table, want string }{
		{"| flag | meaning |\n|---|---|\n| `-a <x\\|y>` | does it |", "`-a <x|y>`\n:   Does it"},
		{"| field | type | meaning |\n|---|---|---|\n| `pid` | number | process number |", "`pid` (number)\n:   Process number"},
		{"| code | name | meaning |\n|---|---|---|\n| 0x3 | CKR_X | there is none |", "0x3  CKR_X\n:   There is none"},
		{"| state | meaning | what to do |\n|---|---|---|\n| `busy` | in use | wait |\n| `ready` | it serves | |", "`busy`\n:   In use. What to do: wait\n\n`ready`\n:   It serves"},
		{"| command | not running | running |\n|---|---|---|\n| `stop` | no | yes |", "`stop`\n:   Not running: no. Running: yes"},
		{"| flag | values | default | key in the file | taken | listed by | what |\n|---|---|---|---|---|---|---|\n" +
			"| `-port <port>` | 1 to 9 | 3 | `Port` | live | start | TCP port |", "`-port <port>`\n:   TCP port. Values: 1 to 9. Default: 3. Key: `Port` (live). Listed by: start."},
	} {
		got, err := definitions(c.table)
		if err != nil || got != c.want {
			t.Errorf("%v\n%q\n%q", err, got, c.want)
		}
	}
	for _, bad := range []string{"| a | b |", "| a | b |\n| c | d |\n| e | f |", "| a | b |\n|---|---|\n| c |"} {
		if _, err := definitions(bad); err == nil {
			t.Errorf("%q was taken for a table", bad)
		}
	}
}

func TestReferences(t *testing.T) {
	for _, c := range []struct{ text, pkg, want string }{
		{"see [USB](#usb)", "", "see USB"},
		{"see [a return\ncode](return-codes.md)", "openped-pedclient", "see a return\ncode (**pedclient-return-codes**(7))"},
		{"[a code](return-codes.md#codes)", "openped-pedserver", "a code (**openped-return-codes**(7))"},
		{"at [pedclient](pedclient.md#local-ped)", "openped-softped", "at **pedclient**(8)"},
		{"[boards](../guide-usb-board.md)", "", "boards (/usr/share/doc/openped-softped/guide-usb-board.md)"},
	} {
		if got := references(c.text, c.pkg); got != c.want {
			t.Errorf("%q: %q", c.text, got)
		}
	}
}

// TestFinish: code is indented where it has room, and no line of the page is wider
// than a terminal.
func TestFinish(t *testing.T) {
	wide := strings.Repeat("x", narrow)
	got := finish(".nh\n.TH X 8\n.SH SYNOPSIS\n.EX\na\n.EE\n.SH B\n.EX\nb\n.EE\n.EX\nx" + wide + "\n.EE\n")
	want := ".nh\n.TH X 8\n.nr HY 0\n.nh\n.ad l\n.SH SYNOPSIS\n.in +0n\n.EX\na\n.EE\n.in\n.SH B\n.in +4n\n.EX\nb\n.EE\n.in\n.in +0n\n.EX\nx" + wide + "\n.EE\n.in\n"
	if got != want {
		t.Errorf("%q\n%q", got, want)
	}
	long := fold("    " + strings.Repeat("word ", 30))
	for line := range strings.Lines(long) {
		if len(line) > normal+5 {
			t.Errorf("%q", line)
		}
	}
	if drawing := "    |" + strings.Repeat("-", 90); fold(drawing) != drawing {
		t.Error("a drawing was broken")
	}
}
