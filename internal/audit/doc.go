// Package audit keeps one append-only log per HSM: JSON lines, each chained to
// the one before it by SHA-512 (docs/SPEC.md, "Audit log").
//
// The chain shows that a record was changed, removed, inserted or moved. The
// process that writes the log knows its newest record, so that a cut shows as
// long as it runs; whoever remembers a Head sees a cut, or a whole new chain, up
// to that record (Check). Against somebody who may write the log and that memory
// too, compare with a Head kept elsewhere (Verify).
package audit
