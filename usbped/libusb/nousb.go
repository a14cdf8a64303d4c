//go:build !cgo || nousb

package libusb

import "openped/usbped"

// system has no libusb.
var system stack = nothing{}

type nothing struct{}

func (nothing) start() (bus, error) { return nil, usbped.ErrNotBuilt }

// built says whether libusb is linked.
const built = false
