// Package guest has the tests that run in the machine that test/service makes,
// with `make test-service`. Elsewhere there is nothing to run them on.
package guest
