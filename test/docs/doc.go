// Package docs holds the documents to the code: what docs/SPEC.md says in
// tables is compared with what the packages do, its examples and its transcript
// are worked out, titles that doc comments cite must exist, links must lead
// somewhere, and the pages of docs/cli must have the flags that the programs
// have.
package docs
