// Package admintest has what scripts (testscript) need to test a daemon's
// command line with real processes: a run folder of its own, kill -9, a frozen
// process, exit codes, and waiting for something to become true.
package admintest
