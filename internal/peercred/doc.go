// Package peercred tells who holds the other end of a local socket (docs/SPEC.md,
// "Local sockets").
package peercred
