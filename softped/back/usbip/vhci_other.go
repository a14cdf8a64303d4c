//go:build !linux

package usbip

import (
	"log/slog"

	"openped/softped/back/usbdev"
)

// VHCI is Linux's.
type VHCI struct {
	ID    usbdev.Identity
	Speed usbdev.Speed
	Ports usbdev.Ports
	Log   *slog.Logger
}

// Plug fails.
func (*VHCI) Plug() error { return ErrNotLinux }

// Unplug has nothing to do.
func (*VHCI) Unplug() error { return nil }
