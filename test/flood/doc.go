// Package flood has strangers call while a ceremony runs: 200 a second on the
// network port and 200 on the admin socket, every second one silent, the others
// with garbage. The ceremony has to complete, and the daemon to stay small. What
// a frame's way through the relay takes meanwhile is printed.
//
// It runs with `make flood`.
package flood
