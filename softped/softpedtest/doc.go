// Package softpedtest operates a PED in software from tests: it waits for
// screens, inserts keys and presses keys as people would (docs/SPEC.md, "The
// PED").
package softpedtest
