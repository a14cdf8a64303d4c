// Package cmdline reads the vendor's command lines (docs/cli): a top-level option
// given as "-mode start", "mode start" or "-m start", flags with one dash or two,
// values as the next argument or after "=", all in any case. Every mistake is one
// error that names the argument, what it may be, and, where there is one, the
// nearest flag that exists.
//
// No value that is secret may come through a command line: other users of the
// host can read it there.
package cmdline
