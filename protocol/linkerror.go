package protocol

import (
	"fmt"

	"openped/internal/wire"
)

// LinkErr is why one side ends a link. It comes from an unauthenticated peer:
// who prints it says so.
type LinkErr uint16

// The codes.
const (
	LinkErrVersion      LinkErr = 1  // no common version
	LinkErrProtocol     LinkErr = 2  // a frame that may not be here
	LinkErrNoPED        LinkErr = 3  // PEDserver has no PED
	LinkErrPEDLost      LinkErr = 4  // the PED went away
	LinkErrIdle         LinkErr = 5  // nothing happened for the idle timeout
	LinkErrTooSlow      LinkErr = 6  // no proof of the HSM in 10 s
	LinkErrShutdown     LinkErr = 7  // PEDserver is stopping
	LinkErrPEDMode      LinkErr = 8  // the PED's own switch forbids it
	LinkErrNotAllowed   LinkErr = 9  // PEDserver does not talk to this host
	LinkErrDisconnected LinkErr = 10 // PEDserver's operator ended a link that PEDserver made
	LinkErrPEDMute      LinkErr = 11 // the PED is there and does not answer
	LinkErrPEDReleased  LinkErr = 12 // PEDserver's operator has made it give the PED up
	LinkErrPEDUnusable  LinkErr = 13 // PEDserver cannot open the PED, or does not know which
)

var linkErrs = [...]struct{ text, hint string }{
	LinkErrVersion:      {"no common link version", "install the same release of pedserver and pedclient"},
	LinkErrProtocol:     {"link protocol broken", "check that the address and port are those of a pedserver, and compare the releases of both sides"},
	LinkErrNoPED:        {"no PED at the PEDserver", "plug the PED in and see `pedserver -mode show` on its workstation"},
	LinkErrPEDLost:      {"PED lost", "plug the PED in again, then run `ped connect`"},
	LinkErrIdle:         {"idle timeout", "run `ped connect` again; the idle timeout is a setting of pedserver"},
	LinkErrTooSlow:      {"HSM did not prove itself in time", "check the network between the HSM's host and the workstation, then run `ped connect` again"},
	LinkErrShutdown:     {"PEDserver is stopping", "start pedserver again, then run `ped connect`"},
	LinkErrPEDMode:      {"PED is not in the mode for this", "choose Remote (or Pair, before the RPV exists) in the PED's menu"},
	LinkErrNotAllowed:   {"PEDserver does not serve this host", "have this host's address admitted at the PEDserver (AllowedClients) or its certificate registered there, and see whether it wants `-tls`"},
	LinkErrDisconnected: {"PEDserver disconnected", "run `pedserver -mode connect` on the workstation"},
	LinkErrPEDMute:      {"PED does not answer", "unplug the PED and plug it in again, then run `ped connect`"},
	LinkErrPEDReleased:  {"PED given up for another program on its workstation", "run `pedserver -mode claim` there, then `ped connect`"},
	LinkErrPEDUnusable:  {"PED cannot be opened", "see `pedserver -mode show` on its workstation: it says why, and what to do"},
}

// Valid reports whether c is one of the codes above.
func (c LinkErr) Valid() bool { return int(c) < len(linkErrs) && linkErrs[c].text != "" }

// String returns a short lower-case text without the peer's words.
func (c LinkErr) String() string {
	if c.Valid() {
		return linkErrs[c].text
	}
	return fmt.Sprintf("link error %d", uint16(c))
}

// Hint returns the remedy in one line, empty for a code it does not know.
func (c LinkErr) Hint() string {
	if c.Valid() {
		return linkErrs[c].hint
	}
	return ""
}

// Error tells the peer why the link ends; the sender closes it after.
//
//	code        2   1–13; others are accepted and shown by number
type Error struct{ Code LinkErr }

// FrameType returns FrameError.
func (Error) FrameType() FrameType { return FrameError }

// Encode returns the body's bytes.
func (e Error) Encode() []byte { return new(wire.Writer).U16(uint16(e.Code)).Bytes() }

// Decode reads the body; the error is wire.ErrMalformed.
func (e *Error) Decode(b []byte) error {
	r := wire.NewReader(b)
	*e = Error{Code: LinkErr(r.U16())}
	return r.Done()
}

// Error implements error.
func (e Error) Error() string { return e.Code.String() }

// Hint returns the code's remedy.
func (e Error) Hint() string { return e.Code.Hint() }
