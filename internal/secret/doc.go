// Package secret holds long-lived secrets in memory that is ours: outside the
// garbage collector's heap, locked against swapping, left out of core dumps
// where the platform can, and wiped when done with (docs/SPEC.md, "In memory").
//
// What the standard library copies while it computes is outside this package's
// reach; docs/threat-model.md names that limit.
package secret
