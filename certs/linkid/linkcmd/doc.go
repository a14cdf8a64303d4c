// Package linkcmd has what both daemons' command lines have in common about TLS
// identities (docs/cli, "-regen", "-appliance", "-administrator"): the commands
// that make an identity and register peers, the way to the admin port of a
// daemon elsewhere, and what a running daemon has read of all that (Store).
package linkcmd
