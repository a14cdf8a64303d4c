// Package admin is how a command line talks to the running daemon
// (docs/SPEC.md, "Local administration"): HTTP with JSON over a unix socket of
// mode 0660, open to the daemon's own user and to root, whose credentials the
// kernel tells. It also keeps the claim of one daemon on its run folder: a lock
// that a crash releases, and the removal of the socket that a crash left.
//
//	GET  /v1/show      the daemon's status
//	POST /v1/stop      {"pid": n}; the daemon is gone when its lock file is
//	errors             {"error": "…", "hint": "…"} with status 4xx or 5xx
package admin
