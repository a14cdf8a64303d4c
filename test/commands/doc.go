// Package commands runs the real pedserver and pedclient, as processes, through
// every command: scripts (testdata) with the command lines that people know, good
// and bad input, and what each command does in each mode. As root all of it runs a
// second time as an ordinary user.
package commands
