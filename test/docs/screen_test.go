package docs

import (
	"strings"
	"testing"
)

// TestScreens compares the table of screens with the ones that softped's own
// test draws (softped/testdata/screens.txt), without line 8.
func TestScreens(t *testing.T) {
	drawn := map[string][]string{}
	id := ""
	var rows []string
	for line := range strings.SplitSeq(read(t, "softped/testdata/screens.txt"), "\n") {
		if row, ok := strings.CutPrefix(line, "|"); ok {
			rows = append(rows, strings.TrimRight(strings.TrimSuffix(row, "|"), " "))
			continue
		}
		if id != "" {
			drawn[id] = append(drawn[id], strings.TrimRight(strings.Join(rows[:7], "\n"), "\n"))
		}
		id, rows = line, nil
	}
	listed := map[string]bool{}
	for _, r := range load(t, "docs/SPEC.md").section(t, "Screens").table(t, "id", "shown when", "lines 1–7").rows {
		id := bare(r[0])
		listed[id] = true
		var lines []string
		for l := range strings.SplitSeq(r[2], "<br>") {
			if l == "–" {
				l = ""
			}
			lines = append(lines, strings.TrimRight(strings.Trim(l, "`"), " "))
		}
		want := strings.Join(lines, "\n")
		found := false
		for _, d := range drawn[id] {
			found = found || d == want
		}
		if !found {
			t.Errorf("screen %s:\n%s\nis drawn as\n%s", id, want, strings.Join(drawn[id], "\nor\n"))
		}
	}
	for id := range drawn {
		if !listed[id] {
			t.Errorf("the text has no screen %s", id)
		}
	}
	if len(listed) < 40 {
		t.Errorf("%d screens", len(listed))
	}
	// Pages elsewhere name screens too.
	for _, name := range []string{"idle", "remote.ready", "login.insert", "notice.done"} {
		if !listed[name] {
			t.Errorf("no screen %s", name)
		}
	}
}
