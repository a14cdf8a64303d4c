//go:build !linux

package secret

// alloc returns ordinary memory: locking is done on Linux only so far.
func alloc(n int) ([]byte, func([]byte)) { return make([]byte, n), func([]byte) {} }

// DisableDumps does nothing on this platform.
func DisableDumps() error { return nil }
