//go:build race

package thief

// stride: under the race detector elliptic curves are slow, and only some of the
// moments to die at are tried.
const stride = 6
