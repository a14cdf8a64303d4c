//go:build !race

package hsm_test

// Every frame is a point at which the link can be cut.
const linkStep = 1
