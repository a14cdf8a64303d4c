// Package thief plays the attackers of docs/threat-model.md against real parts:
// an HSM's slot on a virtual HSM and the firmware of a software PED, with people
// pressing keys, and the thief in place of one of them or on the wire between
// (docs/SPEC.md, "The secure channel"). Tests that need no more than one package stand
// next to its code; docs/threat-tests.md lists all of them by rule.
//
// Each test says how to take its rule out, to see it fail.
package thief
