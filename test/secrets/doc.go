// Package secrets looks for secrets where none may be: in all that passes through
// pedserver, on both its sides, and in the memory of the live process; in every
// log at trace level, in command lines and environments, in files. It knows the
// secrets from PED keys opened with their PINs and from the HSM, and the same
// search finds them where they are to be: in softped and pedclient
// (docs/SPEC.md, "In memory"; docs/threat-model.md).
//
// Reading another process's memory needs Linux, and for softped and pedclient,
// which forbid it, root. Without root those controls are left out, with a word;
// in CI (the variable CI is set) that is a failure.
package secrets
