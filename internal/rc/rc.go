package rc

import "fmt"

// Code is a return code; 0 stands for none.
type Code uint32

// The vendor's codes.
const (
	OperationTimedOut Code = 0xc0000303
	SocketError       Code = 0xc0000500
)

// Our own codes. A number, once given, keeps its meaning.
const (
	PortInUse       Code = 0xc0001001 + iota
	AddressNotHere       // an address that this host does not have
	AccessDenied         // a right is missing
	BadConfig            // the configuration can not be used
	AlreadyRunning       // the daemon runs
	NotRunning           // the daemon does not run
	LegacyMode           // the command needs PED-initiated links
	PeerMode             // the command needs HSM-initiated links
	NotRegistered        // nothing is registered under that name
	PeerRefused          // the other end did not accept this one
	NoIdentity           // this host has no certificate yet
	NoPED                // no PED is there
	PeerUnreachable      // no connection to the other end
	BadCertificate       // a certificate can not be used
	Exists               // it is there already
	InUse                // it is in use and stays
	StartFailed          // the start failed for a reason without a code of its own
)

var names = map[Code]string{
	OperationTimedOut: "RC_OPERATION_TIMED_OUT",
	SocketError:       "RC_SOCKET_ERROR",
	PortInUse:         "RC_PORT_IN_USE",
	AddressNotHere:    "RC_ADDRESS_NOT_HERE",
	AccessDenied:      "RC_ACCESS_DENIED",
	BadConfig:         "RC_BAD_CONFIG",
	AlreadyRunning:    "RC_ALREADY_RUNNING",
	NotRunning:        "RC_NOT_RUNNING",
	LegacyMode:        "RC_LEGACY_MODE",
	PeerMode:          "RC_PEER_MODE",
	NotRegistered:     "RC_NOT_REGISTERED",
	PeerRefused:       "RC_PEER_REFUSED",
	NoIdentity:        "RC_NO_IDENTITY",
	NoPED:             "RC_NO_PED",
	PeerUnreachable:   "RC_PEER_UNREACHABLE",
	BadCertificate:    "RC_BAD_CERTIFICATE",
	Exists:            "RC_EXISTS",
	InUse:             "RC_IN_USE",
	StartFailed:       "RC_START_FAILED",
}

// Name returns RC_SOMETHING, or "" for a code that has no name.
func (c Code) Name() string { return names[c] }

// String returns the number and the name: "0xc0001001 RC_PORT_IN_USE".
func (c Code) String() string {
	if n := c.Name(); n != "" {
		return fmt.Sprintf("0x%08x %s", uint32(c), n)
	}
	return fmt.Sprintf("0x%08x", uint32(c))
}

// All returns every code that has a name, in the order of their numbers.
func All() []Code {
	all := []Code{OperationTimedOut, SocketError}
	for c := PortInUse; c <= StartFailed; c++ {
		all = append(all, c)
	}
	return all
}
