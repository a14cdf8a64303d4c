package hsm

import (
	"errors"
	"strings"
	"testing"

	"openped/protocol/hsmapi"
)

func TestGate(t *testing.T) {
	for _, c := range []struct {
		hsm, ped string
		want     bool
	}{
		{"7.7.0", "2.7.3", false}, {"7.7.0", "2.8.1", false}, {"7.7.0", "2.7.4", true}, {"7.7.0", "2.9.0", true}, {"7.7.0", "2.9.1", true},
		{"7.7.0", "2.7.1-5", false}, {"7.7.0", "2.7.4-1", true}, {"7.7.0", "2.8.0", false}, {"7.7.0", "2.8.9", false}, {"7.7.0", "2.6.9", false},
		{"7.7.0", "2.10.0", true}, {"7.7.0", "3.0.0", true}, {"7.7.0", "1.9.9", false}, {"7.7.1", "2.7.3", false}, {"8.0.0", "2.8.1", false},
		{"7.4.2", "2.7.1", true}, {"7.6.9", "2.4.0", true}, {"6.28.0", "2.8.1", true},
		{"7.7.0", "", false}, {"7.7.0", "new", false}, {"7.7.0", "2.9", false}, {"7.7.0", "2.9.0.1", false}, {"7.7.0", "2.9.-1", false},
		// A personality that cannot be read opens no gate.
		{"", "2.7.3", false}, {"seven", "2.8.1", false}, {"seven", "2.9.0", true},
	} {
		err := checkPED(c.hsm, c.ped)
		if (err == nil) != c.want {
			t.Errorf("HSM %q, PED %q: %v", c.hsm, c.ped, err)
		}
		if err == nil {
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Code != hsmapi.CKR_PED_FIRMWARE || !strings.Contains(e.Msg, c.hsm) || !strings.Contains(e.Msg, c.ped) ||
			!strings.Contains(e.Hint, "2.7.4") || !strings.Contains(e.Hint, "2.9.0") {
			t.Errorf("HSM %q, PED %q: message %q, hint %q", c.hsm, c.ped, e.Msg, e.Hint)
		}
	}
}
