package guest

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// exposed is what systemd may find of each unit at most. pedserver opens devices.
var exposed = map[string]float64{"pedserver": 2.0, "pedclient": 2.0, "softped": 2.0}

var level = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// theExposure: what systemd thinks of how little the services may. What costs is
// printed.
func theExposure(t *testing.T) {
	for _, unit := range daemons {
		out := must(t, "systemd-analyze", "security", "--no-pager", unit+".service")
		m := level.FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("systemd-analyze says of %s:\n%s", unit, out)
		}
		var costs []string
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "✗") {
				costs = append(costs, strings.Join(strings.Fields(line), " "))
			}
		}
		n, err := strconv.ParseFloat(m[1], 64)
		t.Logf("%s: %s; what costs:\n%s", unit, m[1], strings.Join(costs, "\n"))
		if err != nil || n > exposed[unit] {
			t.Errorf("%s is exposed %s, more than %.1f", unit, m[1], exposed[unit])
		}
	}
}
