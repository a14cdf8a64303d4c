// Package atomicfile writes files whole or not at all, and locks them against
// a second process (docs/SPEC.md, "Files").
//
// A reader sees the old content or the new, never a mixture, whatever crashes.
package atomicfile
