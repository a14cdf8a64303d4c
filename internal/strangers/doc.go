// Package strangers is how a daemon lives with callers it does not know yet:
// Limits bounds what they can take, Pace what they cost, Quiet what is logged of
// them (docs/SPEC.md, "PEDserver").
package strangers
