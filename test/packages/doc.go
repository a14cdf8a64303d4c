// Package packages looks into the packages that scripts/packages has built: which
// files they have, whose and with what modes, what they need and say, whether
// shells and man can read what is for them, and what an installation, an upgrade, a
// removal and a purge leave behind in a system of their own.
//
// It runs with `make test-packages`, which also builds everything twice and
// compares. What is expected stands in testdata; go test -update writes it anew.
package packages
