// Package protocol is what travels between the parts of the system, as bytes:
// the link frames between PEDclient and PEDserver (docs/SPEC.md, "The link") and
// the PED messages inside the secure channel between HSM and PED (docs/SPEC.md,
// "PED messages").
//
// It is a codec only. It opens no connection, starts no goroutine and reads no
// clock: bytes in, a value or an error out. Every decoder is strict: an unknown
// type, a value outside its enumeration, a length over its cap and trailing
// bytes are all refused with wire.ErrMalformed. What a peer sent never appears
// in an error.
package protocol
