//go:build unix

package back

import "syscall"

// narrowUmask makes new files the owner's only, until restore is called.
func narrowUmask() (restore func()) {
	old := syscall.Umask(0o177)
	return func() { syscall.Umask(old) }
}
