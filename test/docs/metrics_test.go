package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var emitted = regexp.MustCompile(`e\.(?:Gauge|Bool|Counter|Counters|Histogram)\("([a-z_]+)"`)

// TestMetrics: the names of the text are those that the code emits.
func TestMetrics(t *testing.T) {
	files := map[string]string{"both": "internal/metrics/metrics.go", "PEDserver": "pedserver/collector.go", "PEDclient": "pedclient/metrics.go"}
	for _, r := range load(t, "docs/SPEC.md").section(t, "Metrics").table(t, "of", "names").rows {
		path, ok := files[r[0]]
		if !ok {
			t.Errorf("nobody checks %q", r[0])
			continue
		}
		delete(files, r[0])
		var code []string
		for _, m := range emitted.FindAllStringSubmatch(read(t, path), -1) {
			code = append(code, m[1])
		}
		slices.Sort(code)
		text := strings.Split(bare(r[1]), ", ")
		slices.Sort(text)
		if code = slices.Compact(code); !slices.Equal(code, text) {
			t.Errorf("%s: the text has %v, the code %v", r[0], text, code)
		}
	}
	if len(files) > 0 {
		t.Errorf("the text has nothing of %v", files)
	}
}
