//go:build linux

// The command service installs the packages where nothing can break: it boots
// this machine's own systemd, as process 1 of namespaces of its own, over an
// overlay of this machine's files. The tests in test/service/guest run in there,
// with the packages that are shipped; afterwards nothing is left of it.
//
//	this machine                    the machine inside
//	------------                    ------------------
//	/ (only read)         ------>   / (an overlay, what changes is in memory)
//	make packages         ------>   /mnt/packages/old, /mnt/packages/new
//	go test -c            ------>   /mnt/tests
//	every line            <------   as it is printed
//	exit code             <------   the verdict
//
// It needs root and cgroup2, and what is missing is a failure: nothing is skipped.
// It passes only if the tests say so by their exit code, at least one ran and none
// was skipped. When they fail, the journal of the services is printed.
//
// Three processes make it, so that nothing outlives them, whichever is killed:
//
//	service          builds, makes a cgroup, and empties and removes it at the end
//	  keeper         has a mount namespace of its own with the overlay's upper layer,
//	                 which lasts from one boot to the next; runs the tests
//	    stage        makes the other namespaces and mounts, then becomes systemd
//
// Each dies with the one above it; all are in the cgroup.
package main
