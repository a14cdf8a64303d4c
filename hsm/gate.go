package hsm

import (
	"fmt"
	"strconv"
	"strings"
)

// The firmware gate. PEDs come in two hardware families that can never cross:
// up to 2.7 with their own power supply, from 2.8 powered over USB. In each,
// the new channel begins with another version, so that 2.8.1 is older than
// 2.7.4 in what matters.

// version is major, minor, patch; a suffix such as the -5 of 2.7.1-5 does not
// matter to the gate.
type version [3]int

func parseVersion(s string) (v version, ok bool) {
	s, _, _ = strings.Cut(s, "-")
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}

func (v version) less(w version) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

// pedAllowed reports whether an HSM works with a PED. HSMs before 7.7.0 work
// with every PED. A version that cannot be read is refused.
func pedAllowed(hsm, ped string) bool {
	if h, ok := parseVersion(hsm); ok && h.less(version{7, 7, 0}) {
		return true
	}
	p, ok := parseVersion(ped)
	if !ok {
		return false
	}
	if p[0] == 2 && p[1] == 7 {
		return p[2] >= 4
	}
	return !p.less(version{2, 9, 0})
}

// checkPED is the gate. The versions come from the certified HSM and, after both
// tags, from the PED: the message is authenticated.
func checkPED(hsm, ped string) error {
	if pedAllowed(hsm, ped) {
		return nil
	}
	return &Error{Code: codeFirmware,
		Msg:  fmt.Sprintf("HSM firmware %s does not work with PED firmware %s", hsm, ped),
		Hint: "update the PED: to 2.7.4 or later if it has its own power supply, to 2.9.0 or later if it is powered over USB"}
}

// ValidFirmware reports whether s is a firmware version that the gate can read:
// three numbers, as 7.7.0, and no more than 16 bytes.
func ValidFirmware(s string) bool {
	_, ok := parseVersion(s)
	return ok && len(s) <= 16
}
