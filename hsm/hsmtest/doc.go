// Package hsmtest has what tests of HSM slots need: a PED without screens whose
// custodians follow a script, an in-memory frame connection, and a driver that
// dies at a chosen write. The PED keeps the rules that the HSM relies on and can
// be told to break them.
package hsmtest
