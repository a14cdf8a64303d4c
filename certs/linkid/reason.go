package linkid

import (
	"errors"
	"fmt"
	"log/slog"
)

// Reason is why a peer was refused. It is for this side's log and counters: the
// wire shows none of it.
type Reason uint8

// The reasons.
const (
	NotTLS        Reason = 1  // what came is not TLS
	OldTLS        Reason = 2  // TLS 1.2 or lower
	Broken        Reason = 3  // the handshake itself went wrong
	TooMuch       Reason = 4  // more bytes than a handshake has
	TooSlow       Reason = 5  // not done in time
	Closed        Reason = 6  // the peer closed the connection first: it refuses this side, as a rule
	WrongService  Reason = 7  // the peer wants, or offers, something else than this port is for
	NoCertificate Reason = 8  // the peer has shown no certificate
	WrongKey      Reason = 9  // the certificate's key is not P-521
	Chain         Reason = 10 // a registered certificate, but with others
	NoProof       Reason = 11 // the peer does not have the certificate's key
	OtherCA       Reason = 12 // the certificate was issued by somebody else
	Unregistered  Reason = 13 // the certificate is registered for nobody
	Regenerated   Reason = 14 // the name is registered, with another certificate
	WrongName     Reason = 15 // the certificate is that of another registered peer
	Expired       Reason = 16
	NotYetValid   Reason = 17
)

var reasons = [...]struct{ word, text string }{
	NotTLS:        {"not_tls", "the peer does not speak TLS: check port and TLS setting on both sides"},
	OldTLS:        {"old_tls", "the peer speaks no TLS 1.3: use the same release on both sides"},
	Broken:        {"broken", "the peer broke the TLS handshake: check address and port, compare releases"},
	TooMuch:       {"too_much", "the peer sent more than a TLS handshake has: check address and port"},
	TooSlow:       {"too_slow", "the TLS handshake was not done in time: check the network"},
	Closed:        {"closed", closedText},
	WrongService:  {"wrong_service", "the peer means another service: check the port"},
	NoCertificate: {"no_certificate", "the peer has no certificate: make one there with -regen and register it here"},
	WrongKey:      {"wrong_key", "the key of the peer's certificate is not P-521: make a new one there with -regen"},
	Chain:         {"chain", "the peer sent further certificates: configure just its own there"},
	NoProof:       {"no_proof", "the peer does not have the key of its certificate: somebody else may be using it"},
	OtherCA:       {"other_ca", "the peer's certificate was issued by somebody else: make one there with -regen and register it here"},
	Unregistered:  {"unregistered", "the peer's certificate is not registered here: register it"},
	Regenerated:   {"regenerated", "the peer's certificate is not the one that is registered under its name: if it was made anew, delete the old one and register it"},
	WrongName:     {"wrong_name", "the certificate is that of another registered peer: check the address"},
	Expired:       {"expired", "the peer's certificate has expired: make a new one there with -regen and register it here"},
	NotYetValid:   {"not_yet_valid", "the peer's certificate is not valid yet: check the clocks of both hosts"},
}

const closedText = "the peer closed the connection during authentication: check that this host's certificate is registered there, and its log"

// String returns a word of small letters and underscores, for logs and counters.
func (r Reason) String() string {
	if r == 0 || int(r) >= len(reasons) {
		return fmt.Sprintf("reason_%d", uint8(r))
	}
	return reasons[r].word
}

// Reasons returns all of them, for counters that begin at zero.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasons))
	for r := NotTLS; int(r) < len(reasons); r++ {
		all = append(all, r)
	}
	return all
}

// ErrClosedEarly means that the peer hung up before it said anything. A dialling
// side can be done with the handshake before the other has judged its
// certificate, and learns of a refusal in this way only.
var ErrClosedEarly = errors.New(closedText)

// RefusedError says why there is no connection to a peer.
type RefusedError struct {
	Reason      Reason
	Peer        string // the registered name that it is about; empty if there is none
	Fingerprint string // of the certificate that was shown; empty if none was
	Before      []byte // what came where TLS should have begun, at most 16 bytes; not to be logged
}

// Error says what happened and what to do next. It has no bytes of the peer.
func (e *RefusedError) Error() string {
	text := "unknown"
	if e.Reason > 0 && int(e.Reason) < len(reasons) {
		text = reasons[e.Reason].text
	}
	if e.Peer != "" {
		text = e.Peer + ": " + text
	}
	if e.Fingerprint != "" {
		text += " (SHA-256 " + e.Fingerprint + ")"
	}
	return text
}

// Is makes errors.Is(err, ErrClosedEarly) true for a peer that hung up.
func (e *RefusedError) Is(target error) bool {
	return target == ErrClosedEarly && e.Reason == Closed
}

// LogValue implements slog.LogValuer: the reason's word, then the error.
func (e *RefusedError) LogValue() slog.Value {
	return slog.StringValue(e.Reason.String() + ": " + e.Error())
}
