package pedclient

import (
	"errors"
	"syscall"
)

func isRefused(err error) bool { return errors.Is(err, syscall.Errno(10061)) } // WSAECONNREFUSED
