package docs

import (
	"regexp"
	"strings"
	"testing"
)

// jsonFields are the names that a struct of a file has in JSON, in order.
func jsonFields(t *testing.T, path, typ string) []string {
	t.Helper()
	m := regexp.MustCompile(`(?s)type ` + typ + ` struct \{(.*?)\n\}`).FindStringSubmatch(read(t, path))
	if m == nil {
		t.Fatalf("%s has no struct %s", path, typ)
	}
	var out []string
	for _, f := range regexp.MustCompile("`json:\"(\\w+)").FindAllStringSubmatch(m[1], -1) {
		out = append(out, f[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s: struct %s has no fields in JSON", path, typ)
	}
	return out
}

// names are the code spans of a cell that could be names of fields.
var names = regexp.MustCompile("`([a-z]\\w*)`")

func namesIn(cell string) []string {
	var out []string
	for _, m := range names.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

func sameNames(t *testing.T, what string, text, code []string) {
	t.Helper()
	has := func(list []string, s string) bool {
		return strings.Contains(" "+strings.Join(list, " ")+" ", " "+s+" ")
	}
	for _, n := range code {
		if !has(text, n) {
			t.Errorf("%s: the text has no field %q", what, n)
		}
	}
	for _, n := range text {
		if !has(code, n) {
			t.Errorf("%s: the code has no field %q", what, n)
		}
	}
}

func TestFileFields(t *testing.T) {
	spec := load(t, "docs/SPEC.md")
	first := func(title string) (all []string) {
		for _, r := range spec.section(t, title).table(t, "field", "").rows {
			all = append(all, namesIn(r[0])...)
		}
		return all
	}
	sameNames(t, "state of a PED", first("State of a PED"), jsonFields(t, "softped/statefile.go", "stateJSON"))
	sameNames(t, "HSM state", first("HSM state"), jsonFields(t, "hsm/virtual/file.go", "document"))
	sameNames(t, "audit record", first("Audit log"), jsonFields(t, "internal/audit/record.go", "Record"))
	braces := regexp.MustCompile(`\{([^}]*)\}`)
	for _, r := range spec.section(t, "HSM state").table(t, "field", "").rows {
		typ := map[string]string{"roles": "roleDoc", "rpv": "rpvDoc", "audit": "auditDoc", "pending": "pendingDoc", "failed_handshakes": "failedDoc"}[bare(r[0])]
		if typ == "" {
			continue
		}
		m := braces.FindStringSubmatch(r[1])
		if m == nil {
			t.Errorf("HSM state: %s has no fields in the text", r[0])
			continue
		}
		sameNames(t, "HSM state "+r[0], strings.Split(m[1], ", "), jsonFields(t, "hsm/virtual/file.go", typ))
	}
	status := map[string][2]string{
		"PEDserver":                     {"pedserver/status.go", "Status"},
		"its ped":                       {"pedserver/status.go", "PEDStatus"},
		"its client":                    {"pedserver/status.go", "ClientStatus"},
		"its tls":                       {"pedserver/status.go", "TLSStatus"},
		"one of its links":              {"pedserver/status.go", "LinkStatus"},
		"its counters":                  {"pedserver/counts.go", "Counters"},
		"PEDclient":                     {"pedclient/status.go", "Status"},
		"one of its slots":              {"pedclient/status.go", "SlotStatus"},
		"one of PEDclient's links":      {"pedclient/status.go", "LinkStatus"},
		"one of PEDclient's ceremonies": {"pedclient/counters.go", "Durations"},
		"answer of testid":              {"pedclient/probe.go", "ProbeResult"},
		"the ped of testid":             {"pedclient/probe.go", "PEDSeen"},
		"one of the steps of testid":    {"pedclient/trace.go", "Step"},
		"settings":                      {"internal/daemon/configfile.go", "Running"},
		"one of its settings":           {"internal/setting/values.go", "Effective"},
		"a reload":                      {"internal/daemon/reload.go", "Reloaded"},
	}
	for _, r := range spec.section(t, "Local administration").table(t, "of", "fields").rows {
		where, ok := status[bare(r[0])]
		if !ok {
			t.Errorf("status of %q", r[0])
			continue
		}
		sameNames(t, "status of "+r[0], namesIn(r[1]), jsonFields(t, where[0], where[1]))
	}
}

// TestRoles compares the role table.
func TestRoles(t *testing.T) {
	source := read(t, "hsm/roles.go")
	rows := load(t, "docs/SPEC.md").section(t, "Roles").table(t, "role", "KeyType", "failed logins in a row").rows
	exported := map[string]string{"so": "SO", "au": "AU", "po": "PO", "co": "CO", "lco": "LCO", "cu": "CU", "domain": "Domain", "rpv": "RPV"}
	keys := map[string]string{"so": "SO", "domain": "Domain", "rpk": "RPK", "user": "User", "audit": "Audit"}
	if n := strings.Count(source, "{role: protocol.Role"); n != len(rows) {
		t.Errorf("%d roles in the text, %d in the code", len(rows), n)
	}
	for _, r := range rows {
		m := regexp.MustCompile(`(?s)\{role: protocol\.Role` + exported[r[0]] + `, key: protocol\.Key` + keys[r[1]] + `(.*?)\},\n`).FindStringSubmatch(source)
		if m == nil {
			t.Errorf("role %s with key %s is not in the code", r[0], r[1])
			continue
		}
		limit := regexp.MustCompile(`limit: (\d+)`).FindStringSubmatch(m[1])
		switch {
		case limit == nil && r[2] != "nobody logs in", limit != nil && limit[1] != r[2]:
			t.Errorf("role %s: limit %q in the text, %v in the code", r[0], r[2], limit)
		}
		if made := strings.Contains(m[1], "made: true"); made != (r[4] != "–") {
			t.Errorf("role %s: made by %q in the text, made %v in the code", r[0], r[4], made)
		}
		if zeroize := strings.Contains(m[1], "zeroizeHSM"); zeroize != strings.Contains(r[3], "zeroized") {
			t.Errorf("role %s: %q in the text", r[0], r[3])
		}
	}
}

// TestAuditEvents: the events that the code records are the ones listed.
func TestAuditEvents(t *testing.T) {
	text := load(t, "docs/SPEC.md").section(t, "Audit log").text
	_, list, ok := strings.Cut(text, "Events: ")
	if !ok {
		t.Fatal("no list of events")
	}
	list, _, _ = strings.Cut(list, ". ")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1) {
		listed[m[1]] = true
	}
	found := map[string]bool{}
	add := func(re, source string) {
		for _, m := range regexp.MustCompile(re).FindAllStringSubmatch(source, -1) {
			found[m[1]] = true
		}
	}
	walk(t, ".go", func(path, source string) {
		if strings.HasPrefix(path, "hsm/") && !strings.HasSuffix(path, "_test.go") {
			add(`Event: "([^"]+)"`, source)
			add(`o\.key\("([^"]+)"`, source)
		}
	})
	add(`(?m)^\tname\w+\s+= "([^"]+)"`, read(t, "hsm/slot.go"))
	add(`Event\w+ += "([^"]+)"`, read(t, "internal/audit/log.go"))
	for e := range found {
		if !listed[e] {
			t.Errorf("the text has no event %q", e)
		}
	}
	for e := range listed {
		if !found[e] {
			t.Errorf("the code has no event %q", e)
		}
	}
}
