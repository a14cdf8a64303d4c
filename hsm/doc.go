// Package hsm is the HSM's side: roles and their attempts, the remote PED
// vector, the ceremonies that people take part in, and the near end of the
// secure channel over an injected frame connection (docs/SPEC.md, "Ceremonies",
// "Local PEDs" and "HSM state").
//
// A Slot runs the ceremonies of one HSM, one at a time; what it decides becomes
// durable through a Driver, which is the HSM itself: identity, secrets at rest,
// counters. Dialogues are the PED's, decisions are made here.
//
// Three rules order every ceremony: an attempt is counted on disk before its
// outcome is known; nothing of the old world is given up before the one rename
// that commits the new one; and nobody's person is waited for while a lock is
// held.
//
// Every age and wait here is on the monotonic clock; what is durable is counted,
// not dated. Setting the host's clock lengthens no lock-out and opens nothing.
package hsm
