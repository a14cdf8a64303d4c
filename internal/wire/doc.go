// Package wire reads and writes the big-endian, length-prefixed fields that
// every format of the project is made of (docs/SPEC.md, "Encoding").
//
// A Reader never allocates more than the bytes it was given, and remembers the
// first failure, so that a decoder can read all its fields and check once.
package wire
