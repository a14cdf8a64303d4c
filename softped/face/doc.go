// Package face is what people and programs operate a PED in software with: a
// terminal that draws the LCD, and a line protocol for scripts, tests and demos
// (docs/SPEC.md, "The PED"; docs/cli/softped.md).
package face
