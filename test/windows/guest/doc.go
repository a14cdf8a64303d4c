// Package guest has the tests that start programs in the prefix that test/windows
// makes, and others beside it: with `make test-windows`. Elsewhere there is nothing
// to start them in.
package guest
