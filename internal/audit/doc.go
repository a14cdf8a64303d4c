// Package audit keeps one append-only log per HSM: JSON lines, each chained to
// the one before it by SHA-512 (docs/SPEC.md, "Audit log").
//
// The chain shows that a record was changed, removed, inserted or moved. It
// cannot show that the newest records were cut off, nor stop whoever may write
// the file from making a whole new chain: for that, compare the last hash with
// a copy kept elsewhere.
package audit
