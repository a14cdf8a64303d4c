// Package pedclient runs the HSM slots of this host (docs/SPEC.md, "The link",
// "The HSM socket" and "PEDclient"): it connects each slot to the PED behind a
// PEDserver, serves local callers over the HSM socket, and keeps an audit log
// per slot.
//
// The channel to the PED ends in package hsm; this package carries its frames.
// A line is a connection to a PEDserver, made by either side; a hold is a PED
// that a slot has over it. Lines that PEDservers have made wait in the hub. A
// cable is a PED of this host that a slot has ("Local PEDs"); what a hold and a
// cable have in common is their tenure.
//
// Each slot, each line and each caller has goroutines of its own, and no lock is
// held while anybody is waited for: a person at one PED holds up nothing else,
// and status never waits.
package pedclient
