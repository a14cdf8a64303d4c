package hsm

import "openped/protocol/hsmapi"

// Auth is how people authenticate to an HSM.
type Auth uint8

// The types of authentication. The zero value is what this project is for.
const (
	AuthPED      Auth = iota // with PED keys
	AuthPassword             // with passwords: there is no remote PED for it
)

// ParseAuth reads what String writes.
func ParseAuth(s string) (Auth, bool) {
	for _, a := range []Auth{AuthPED, AuthPassword} {
		if s == a.String() {
			return a, true
		}
	}
	return 0, false
}

// String returns "ped" or "password".
func (a Auth) String() string {
	switch a {
	case AuthPED:
		return "ped"
	case AuthPassword:
		return "password"
	}
	return "unknown"
}

// needPED refuses whatever takes a remote PED on an HSM that has none.
func (s *Slot) needPED() error {
	if s.id.Auth == AuthPED {
		return nil
	}
	return errorf(hsmapi.CKR_FUNCTION_NOT_SUPPORTED,
		"to import a red domain key, attach a PED to the HSM itself, and run `pedserver -mode stop` meanwhile",
		"this HSM is password-authenticated: it has no Remote PED")
}
