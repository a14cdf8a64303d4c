package cli

import (
	"errors"
	"syscall"
)

func isInUse(err error) bool   { return errors.Is(err, syscall.Errno(10048)) } // WSAEADDRINUSE
func isNotHere(err error) bool { return errors.Is(err, syscall.Errno(10049)) } // WSAEADDRNOTAVAIL
