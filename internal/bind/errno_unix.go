//go:build unix

package bind

import (
	"errors"
	"syscall"
)

func isInUse(err error) bool  { return errors.Is(err, syscall.EADDRINUSE) }
func isDenied(err error) bool { return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) }

// isNotHere: nobody has the address, the interface it names is not there, or the
// host does not speak its protocol.
func isNotHere(err error) bool {
	for _, e := range []error{syscall.EADDRNOTAVAIL, syscall.ENODEV, syscall.ENXIO, syscall.EINVAL, syscall.EAFNOSUPPORT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
