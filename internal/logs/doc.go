// Package logs opens a daemon's log: one line per record in a file, four
// switches for info, warning, error and trace like the vendor's, and a way on
// when the file can not be written, which never stops a daemon (docs/cli).
//
// Nothing secret and no content of a PED frame is ever given to a logger;
// trace shows types, lengths and states.
package logs
