package rc

import (
	"regexp"
	"testing"
)

// TestCodes: numbers are a promise to scripts.
func TestCodes(t *testing.T) {
	for code, want := range map[Code]string{
		OperationTimedOut: "0xc0000303 RC_OPERATION_TIMED_OUT",
		SocketError:       "0xc0000500 RC_SOCKET_ERROR",
		PortInUse:         "0xc0001001 RC_PORT_IN_USE",
		BadConfig:         "0xc0001004 RC_BAD_CONFIG",
		LegacyMode:        "0xc0001007 RC_LEGACY_MODE",
		StartFailed:       "0xc0001011 RC_START_FAILED",
		7:                 "0x00000007",
	} {
		if code.String() != want {
			t.Errorf("%s, want %s", code, want)
		}
	}
	seen := map[string]bool{}
	for _, c := range All() {
		if n := c.Name(); !regexp.MustCompile(`^RC(_[A-Z]+)+$`).MatchString(n) || seen[n] {
			t.Errorf("%s", c)
		}
		seen[c.Name()] = true
	}
	if len(seen) != len(names) {
		t.Errorf("All has %d codes of %d", len(seen), len(names))
	}
}
