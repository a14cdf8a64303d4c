package protocol

import (
	"fmt"
	"testing"
)

// The numbers and names are the format: nobody may renumber them.
func TestEnums(t *testing.T) {
	type named interface {
		fmt.Stringer
		Valid() bool
	}
	check := func(what string, zeroValid bool, of func(uint8) named, names ...string) {
		t.Helper()
		for v := range 256 {
			e := of(uint8(v))
			want, valid := fmt.Sprintf("%s %d", what, v), false
			if v < len(names) && names[v] != "" {
				want, valid = names[v], v != 0 || zeroValid
			}
			if e.String() != want || e.Valid() != valid {
				t.Errorf("%s %d: %q, valid %v; want %q, %v", what, v, e, e.Valid(), want, valid)
			}
		}
	}
	check("role", false, func(v uint8) named { return Role(v) }, "", "so", "au", "po", "co", "lco", "cu", "domain", "rpv")
	check("key type", false, func(v uint8) named { return KeyType(v) }, "blank", "so", "domain", "rpk", "user", "audit")
	check("operation", false, func(v uint8) named { return Op(v) }, "", "authenticate", "create", "provision", "rpk-key", "reuse", "reuse-rpv")
	check("prompt", false, func(v uint8) named { return Prompt(v) }, "", "erase-hsm")
	check("use", false, func(v uint8) named { return Use(v) }, "", "current", "pending", "refuse")
	check("reason", true, func(v uint8) named { return UseReason(v) }, "none", "same-key", "unknown-set")
	check("share status", false, func(v uint8) named { return ShareStatus(v) }, "", "more", "same", "again", "done", "failed")
	check("result", false, func(v uint8) named { return EndResult(v) }, "", "ok", "failed")
	check("cancel reason", false, func(v uint8) named { return CancelReason(v) }, "", "operator", "timeout", "host", "busy", "key-fault", "refused", "protocol")
	check("mode", false, func(v uint8) named { return PEDMode(v) }, "", "remote", "local", "pair", "admin")
	check("event", false, func(v uint8) named { return EventKind(v) }, "", "state", "proven", "closed")
	for v, want := range []string{"none", "blue", "red", "orange", "black", "white"} {
		if got := KeyType(v).Colour(); got != want {
			t.Errorf("colour %d: %q, want %q", v, got, want)
		}
	}
}

func TestParseRole(t *testing.T) {
	for r := RoleSO; r <= RoleRPV; r++ {
		if got, ok := ParseRole(r.String()); !ok || got != r {
			t.Errorf("%v: %v %v", r, got, ok)
		}
	}
	for _, s := range []string{"", "SO", "role 0", "user"} {
		if r, ok := ParseRole(s); ok {
			t.Errorf("%q is %v", s, r)
		}
	}
}

func TestIDs(t *testing.T) {
	if s := tKey.String(); s != "c1000000000000c8" || tKey.IsZero() || !(KeySerial{}).IsZero() {
		t.Error(s)
	}
	if s := tSet.String(); s != hSet || tSet.IsZero() || !(SetID{}).IsZero() {
		t.Error(s)
	}
	if s := tCer.String(); s != hCer || tCer.IsZero() || !(CeremonyID{}).IsZero() {
		t.Error(s)
	}
}
