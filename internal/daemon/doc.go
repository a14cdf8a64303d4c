// Package daemon is the command line that pedserver and pedclient share
// (docs/cli, "start", "show", "stop"): the mode, the help, the start in the
// background or the run in the foreground with lock, log and administration, and
// the two commands that talk to the running one. A program adds its options and
// its work (Job).
package daemon
