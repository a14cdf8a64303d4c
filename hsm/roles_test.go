package hsm

import (
	"testing"

	"openped/protocol"
)

// The PED refuses an operation whose role and key type do not belong together:
// the role table has to be made of the same pairs.
func TestRoleTableIsTheProtocols(t *testing.T) {
	for r := protocol.RoleSO; r.Valid(); r++ {
		sp := spec(r)
		if sp.key != r.KeyType() {
			t.Errorf("%v: %v keys here, %v keys in the protocol", r, sp.key, r.KeyType())
		}
		if (sp.limit > 0) != r.LogsIn() {
			t.Errorf("%v: people log in: %v here, %v in the protocol", r, sp.limit > 0, r.LogsIn())
		}
	}
}
