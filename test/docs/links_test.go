package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks follows every relative link of every document, to the file and to
// the heading.
func TestLinks(t *testing.T) {
	pages := map[string]*page{}
	seen := 0
	walk(t, ".md", func(from, text string) {
		for _, m := range link.FindAllStringSubmatch(withoutCode(text), -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			seen++
			file, anchor, _ := strings.Cut(target, "#")
			to := from
			if file != "" {
				to = path.Join(path.Dir(from), file)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: link to %s: no such file", from, target)
				continue
			}
			if anchor == "" {
				continue
			}
			if pages[to] == nil {
				pages[to] = load(t, to)
			}
			if !pages[to].anchors()[anchor] {
				t.Errorf("%s: link to %s: no such heading", from, target)
			}
		}
	})
	if seen < 30 {
		t.Errorf("only %d links found", seen)
	}
}

var codeSpan = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

func withoutCode(text string) string { return codeSpan.ReplaceAllString(text, "") }

// TestRecords: every decision record is listed, under its own title.
func TestRecords(t *testing.T) {
	index := load(t, "docs/adr/README.md")
	listed := map[string]string{}
	for _, r := range index.sections[len(index.sections)-1].table(t, "no.", "decision").rows {
		m := link.FindStringSubmatch(r[0])
		if m == nil {
			t.Errorf("row without a link: %v", r)
			continue
		}
		listed[m[1]] = r[1]
	}
	files, err := filepath.Glob(filepath.Join(root, "docs/adr/[0-9]*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		title := strings.SplitN(read(t, "docs/adr/"+name), "\n", 2)[0]
		want, ok := listed[name]
		if !ok {
			t.Errorf("docs/adr/README.md does not list %s", name)
			continue
		}
		if !strings.EqualFold(title, "# "+name[:4]+" "+want) {
			t.Errorf("%s: title %q, listed as %q", name, title, want)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("docs/adr/README.md lists %s, which does not exist", name)
	}
}
