package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"openped/rpv"
	"openped/test/lab"
)

// state is which keysets are in force: their ids, or "". It is read from the
// HSM's file, so that no login has to be wasted to learn it.
type state struct{ Label, SO, Domain, RPV string }

func read(t *testing.T, l *lab.Lab) state {
	t.Helper()
	type set struct{ Set string }
	var doc struct {
		Label string
		Roles struct{ SO, Domain set }
		RPV   set
	}
	b, err := os.ReadFile(l.HSMFile(1))
	if err == nil {
		err = json.Unmarshal(b, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return state{doc.Label, doc.Roles.SO.Set, doc.Roles.Domain.Set, doc.RPV.Set}
}

// audited checks that the audit log's last word on a role's keyset is the one in
// force.
func audited(t *testing.T, l *lab.Lab, role, set string) {
	t.Helper()
	last := ""
	for line := range strings.SplitSeq(l.Must("audit show", lab.People{}).Output, "\n") {
		if strings.Contains(line, " keyset committed ") && strings.Contains(line, fmt.Sprintf("role=%q", role)) {
			_, rest, _ := strings.Cut(line, `set="`)
			last, _, _ = strings.Cut(rest, `"`)
		}
	}
	if last != set {
		t.Errorf("the audit log's last keyset of %s is %q, and in force is %q", role, last, set)
	}
}

// holds checks that a key holds a set, as current or pending.
func holds(t *testing.T, l *lab.Lab, key, set string) {
	t.Helper()
	k, err := rpv.DirStore{Dir: l.Keys()}.Load(key)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Destroy()
	for _, s := range []*rpv.Set{k.Current, k.Pending} {
		if s != nil && s.ID.String() == set {
			return
		}
	}
	t.Errorf("%s does not hold the set in force, %s", key, set)
}
