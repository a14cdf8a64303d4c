// Package virtual is a software HSM in one state file (docs/SPEC.md, "HSM
// state"). What a start needs, the identity and the RPV, lies in it unsealed,
// protected by the file's permissions alone; the rest is sealed under the
// roles' secrets by package hsm.
package virtual
