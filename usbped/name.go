package usbped

import (
	"fmt"

	"openped/internal/localsock"
)

// CheckDevice refuses what ParseDevice does not take.
func CheckDevice(s string) error {
	if _, ok := ParseDevice(s, nil); ok {
		return nil
	}
	if _, err := localsock.ParseName(s); err != nil && localsock.Named(s) {
		return fmt.Errorf("%s: %w", text(s, 160), err)
	}
	return fmt.Errorf("%s is not a device; write usb, usb:SERIAL, or %s with the socket of softped", text(s, 160), localsock.Example)
}

// IsSocket reports whether that is the name of a socket, and not of a cable.
func IsSocket(s string) bool { return localsock.Named(s) }

// AbsDevice makes the path of a socket absolute, from a folder: who keeps the
// name may leave the folder it was written in.
func AbsDevice(s, folder string) string { return localsock.AbsName(s, folder) }

// CheckUSBID refuses what ParseUSBID does not take.
func CheckUSBID(s string) error {
	if _, _, ok := ParseUSBID(s); !ok {
		return fmt.Errorf("%s is not a pair of USB ids; write vendor:product as 1209:0001", text(s, 160))
	}
	return nil
}
