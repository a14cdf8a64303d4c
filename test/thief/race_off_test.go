//go:build !race

package thief

// stride: every moment to die at is tried.
const stride = 1
