package pedclient

import (
	"errors"
	"syscall"
)

func isRefused(err error) bool {
	return errors.Is(err, wsaConnRefused) || errors.Is(err, syscall.ECONNREFUSED)
}

const wsaConnRefused = syscall.Errno(10061)
