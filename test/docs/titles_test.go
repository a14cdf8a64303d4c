package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// walk calls f for each file of the module with this suffix.
func walk(t testing.TB, suffix string, f func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, suffix) {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		f(filepath.ToSlash(rel), string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	commentBreak = regexp.MustCompile(`\n[ \t]*//[ \t]?`)
	cited        = regexp.MustCompile(`docs/SPEC\.md((?:(?:, and |, | and )"[^"]+")+)`)
	quoted       = regexp.MustCompile(`"([^"]+)"`)
)

// citations returns the section titles that a Go file's comments cite.
func citations(source string) []string {
	source = commentBreak.ReplaceAllString(source, " ")
	var titles []string
	for _, m := range cited.FindAllStringSubmatch(source, -1) {
		for _, q := range quoted.FindAllStringSubmatch(m[1], -1) {
			titles = append(titles, q[1])
		}
	}
	return titles
}

func TestCitedSections(t *testing.T) {
	titles := load(t, "docs/SPEC.md").titles()
	seen := 0
	walk(t, ".go", func(path, text string) {
		if strings.HasPrefix(path, "test/docs/") {
			return
		}
		for _, c := range citations(text) {
			seen++
			if !titles[c] {
				t.Errorf("%s cites section %q, which docs/SPEC.md does not have", path, c)
			}
		}
	})
	if seen < 20 {
		t.Errorf("only %d citations found", seen)
	}
}

func TestCitations(t *testing.T) {
	got := strings.Join(citations("// Package x is (docs/SPEC.md, \"The\n// link\", \"B\" and \"C\"). See docs/SPEC.md.\n// \"D\""), "|")
	if got != "The link|B|C" {
		t.Errorf("%s", got)
	}
}

// Every package that is part of the product says what it is, and the ones that
// implement a format say where it is specified.
func TestPackagesCite(t *testing.T) {
	for _, dir := range []string{"certs", "certs/linkid", "rpv", "hsm", "hsm/virtual", "softped", "usbped", "pedserver", "pedclient",
		"protocol", "protocol/channel", "protocol/kas", "protocol/kas/cpace", "protocol/hsmapi", "internal/wire", "internal/audit", "internal/admin",
		"internal/atomicfile", "internal/secret", "internal/rundir"} {
		if len(citations(read(t, dir+"/doc.go"))) == 0 {
			t.Errorf("%s/doc.go cites no section of docs/SPEC.md", dir)
		}
	}
}
