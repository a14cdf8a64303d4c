//go:build race

package hsm_test

// The race detector makes minutes of the many points at which a link can be cut.
const linkStep = 5
