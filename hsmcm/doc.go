// Package hsmcm is the HSM administrator's console: one command from the
// command line, or a prompt "hsmcm:>" on a terminal or over a script on
// standard input. It speaks protocol/hsmapi with pedclient (docs/SPEC.md, "The
// HSM socket") and prints what users of such consoles expect
// (docs/cli/hsmcm.md).
//
// The console holds no key and no PIN: those are typed at the PED. The one
// secret that may pass through it is the one-time password, read without echo
// or from standard input, never from the command line.
package hsmcm
