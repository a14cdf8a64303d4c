package usbped

import (
	"fmt"
	"path/filepath"
	"strings"
)

// CheckDevice refuses what ParseDevice does not take.
func CheckDevice(s string) error {
	if _, ok := ParseDevice(s, nil); !ok {
		return fmt.Errorf("%s is not a device; write usb, usb:SERIAL, or unix:PATH with the socket of softped", text(s, 160))
	}
	return nil
}

// SocketPath returns the path of "unix:PATH"; the bool is false for other names.
func SocketPath(s string) (string, bool) {
	path, ok := strings.CutPrefix(s, "unix:")
	return path, ok && path != ""
}

// AbsDevice makes the path of a socket absolute, from a folder: who keeps the
// name may leave the folder it was written in.
func AbsDevice(s, folder string) string {
	if path, ok := SocketPath(s); ok && !filepath.IsAbs(path) {
		return "unix:" + filepath.Join(folder, path)
	}
	return s
}

// CheckUSBID refuses what ParseUSBID does not take.
func CheckUSBID(s string) error {
	if _, _, ok := ParseUSBID(s); !ok {
		return fmt.Errorf("%s is not a pair of USB ids; write vendor:product as 1209:0001", text(s, 160))
	}
	return nil
}
