// Package admin is how a command line talks to the running daemon
// (docs/SPEC.md, "Local administration"): HTTP with JSON over a local socket that
// is open to the daemon's own user and to root, and for some calls to the members
// of a group, all of whom the system tells; and over TCP to administrators who
// authenticate. It also keeps
// the claim of one daemon on its run folder: a lock that a crash releases, and
// the removal of the sockets that a crash left.
//
// However many connect: silence gives way to those who talk, so that the owner
// can always ask for the status and stop the daemon.
package admin
