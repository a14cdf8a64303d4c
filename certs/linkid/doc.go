// Package linkid says which host is which on TLS connections: this host's
// identity, the peers that are registered here, and the handshakes that hold one
// against the other (docs/SPEC.md, "TLS identities and registered peers").
//
// There is no authority and no path building. A certificate signs itself, and a
// peer is accepted if it shows the very certificate that was registered for it.
// Who is refused sees the connection close, whatever the cause; the cause is for
// the log of the side that refused.
//
// Nothing here opens the secure channel, nor does the channel rely on any of it.
package linkid
