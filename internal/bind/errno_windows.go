package bind

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

func isInUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }
func isNotHere(err error) bool {
	return errors.Is(err, windows.WSAEADDRNOTAVAIL) || errors.Is(err, windows.WSAEAFNOSUPPORT)
}
func isDenied(err error) bool {
	return errors.Is(err, windows.WSAEACCES) || errors.Is(err, syscall.ERROR_ACCESS_DENIED)
}
