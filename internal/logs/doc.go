// Package logs keeps a daemon's log (docs/SPEC.md, "Logs"): one line per record
// in a file of bounded size, four switches for info, warning, error and trace
// like the vendor's, and a way on when the file can not be written. A log never
// stops a daemon and never holds it up: what can not be written is counted, and
// the log says how much is missing when it goes on.
//
// Nothing secret and no content of a PED frame is ever given to a logger;
// trace shows types, lengths and states.
package logs
