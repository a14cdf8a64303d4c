// Package strangers is how a daemon lives with callers it does not know yet:
// Limits bounds what they can take, Quiet bounds what is logged of them
// (docs/SPEC.md, "The link").
package strangers
