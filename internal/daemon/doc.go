// Package daemon is the command line that pedserver and pedclient share
// (docs/cli): it reads the options into the program's table of settings, finds
// the configuration file, starts the daemon in the background or runs it with
// lock, log and administration, and talks to the running one: stop, show, config
// and reload. A program adds its settings, its commands and its work (Program).
package daemon
