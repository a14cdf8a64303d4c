// Package lab is where tests of the whole run: real processes of pedserver,
// pedclient, softped and hsmcm in a folder of their own, custodians who answer
// the PED, and a relay on the link that can record, cut or stall it. It changes
// no program: everything goes through the faces that people and scripts use.
//
// [Stage], [Process], [PED], [Console] and [Relay] return errors and know no
// testing.T; [Lab] puts them together for a test, ends what it started and
// prints the logs of a test that fails.
package lab
