// Package bind opens the TCP ports of a daemon (docs/SPEC.md, "Ports"): on every
// address of both families unless some are named, on this host only where that is
// asked for. An address that is not here yet is waited for, one that goes away is
// taken up again when it is back; nothing about addresses is kept. A port that is
// taken is refused with the name of who has it.
package bind
