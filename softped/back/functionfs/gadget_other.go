//go:build !linux

package functionfs

import (
	"log/slog"

	"openped/softped/back/usbdev"
)

// Gadget is Linux's.
type Gadget struct{}

// Open fails.
func Open(string, usbdev.Identity, usbdev.Ports, *slog.Logger) (*Gadget, error) {
	return nil, ErrNotLinux
}

// Plug fails.
func (*Gadget) Plug() error { return ErrNotLinux }

// Unplug has nothing to do.
func (*Gadget) Unplug() error { return nil }

// Close has nothing to do.
func (*Gadget) Close() error { return nil }
