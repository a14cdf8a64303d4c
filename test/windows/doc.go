// The command windows runs on Linux what is shipped for Windows: in Wine, with a
// prefix of its own that it makes from nothing and takes away again.
//
//	host                               prefix
//	----                               ------
//	go test -exec wine64       ----->  the unit tests of every package
//	go build, scripts/packages-windows
//	                           ----->  programs, services, the .msi
//	programs for Linux  <- loopback -> programs for Windows
//
// Wine is not Windows. What it cannot do is in one table (limits.go), printed at
// the end and kept honest: a test that is listed there and passes is a failure, as
// is one that fails or is skipped and is not listed. What only a real Windows can
// show is in docs/windows-checklist.md.
//
// Two things stand between Go and Debian's Wine, and are put right for the tests
// only: a DLL that Wine has not got (shim), and the removal of folders (patch.go).
package main
