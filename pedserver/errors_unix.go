//go:build unix

package pedserver

import (
	"errors"
	"syscall"
)

// isTransient reports whether accept may work again by itself.
func isTransient(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isRefused reports whether nobody listens where we called.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
