package thief

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testsIn returns the tests of a folder's packages.
func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(string(b), -1) {
			names[m[1]] = true
		}
	}
	return names
}

// TestTable keeps docs/threat-tests.md: what it names exists, and it leaves
// nothing out.
func TestTable(t *testing.T) {
	table := read(t, "docs", "threat-tests.md")
	named, known := map[string]bool{}, map[string]map[string]bool{}
	testsIn := func(dir string) map[string]bool {
		if known[dir] == nil {
			known[dir] = testsIn(t, dir)
		}
		return known[dir]
	}
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 2 || strings.HasPrefix(line, "| rule") {
			continue
		}
		rows++
		for entry := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(cells[1]), " |"), " · ") {
			dir, name, ok := strings.Cut(entry, " ")
			dir = strings.Trim(dir, "`")
			if !ok || !testsIn(dir)[name] {
				t.Errorf("%s: there is no such test", entry)
			}
			named[dir+" "+name] = true
		}
	}
	if rows < 30 {
		t.Errorf("only %d rows were read", rows)
	}
	for _, dir := range []string{"protocol", "protocol/channel", "certs", "rpv", "hsm", "softped", "pedserver", "pedclient"} {
		for name := range testsIn(dir) {
			if strings.HasPrefix(name, "TestThief") && !named[dir+" "+name] {
				t.Errorf("%s %s has no row", dir, name)
			}
		}
	}
	for name := range testsIn("test/thief") {
		if name != "TestTable" && !named["test/thief "+name] {
			t.Errorf("test/thief %s has no row", name)
		}
	}

	// A ⚠ in the specification, under which heading?
	section := ""
	for line := range strings.Lines(read(t, "docs", "SPEC.md")) {
		if h, ok := strings.CutPrefix(line, "#"); ok {
			section = strings.TrimSpace(strings.TrimLeft(h, "#"))
			continue
		}
		if !strings.Contains(line, "⚠") || strings.HasPrefix(section, "Specification") {
			continue
		}
		anchor := "SPEC.md#" + strings.ReplaceAll(strings.ToLower(section), " ", "-") + ")"
		if !strings.Contains(table, anchor) {
			t.Errorf("a rule of section %q has no row: %s", section, strings.TrimSpace(line))
		}
	}
}
