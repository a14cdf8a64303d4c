// Package localsock is the local sockets of the daemons (docs/SPEC.md, "Local
// sockets"): unix sockets, on Windows named pipes, and who holds the other end of
// a connection, as the system says.
//
// Users and groups are called as package os/user calls them: by their numbers, or
// by their SIDs on Windows.
package localsock
