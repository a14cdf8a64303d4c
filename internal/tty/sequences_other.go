//go:build !windows

package tty

// understand has nothing to do: terminals do.
func understand(uintptr) (plain func()) { return func() {} }
