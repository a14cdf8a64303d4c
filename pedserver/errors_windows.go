package pedserver

import (
	"errors"
	"syscall"
)

// isTransient reports whether accept may work again by itself.
func isTransient(err error) bool {
	const wsaEMFile, wsaENoBufs = syscall.Errno(10024), syscall.Errno(10055)
	return errors.Is(err, syscall.WSAECONNRESET) || errors.Is(err, wsaEMFile) || errors.Is(err, wsaENoBufs)
}

// isRefused reports whether nobody listens where we called.
func isRefused(err error) bool {
	return errors.Is(err, wsaConnRefused) || errors.Is(err, syscall.ECONNREFUSED)
}

const wsaConnRefused = syscall.Errno(10061)
