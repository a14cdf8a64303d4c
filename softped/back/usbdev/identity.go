package usbdev

import (
	"strconv"
	"strings"

	"openped/usbped"
)

const manufacturer = "openped"

// The ids of a PED that was given no others. 1209:0001 is for tests
// (https://pid.codes): who sells a PED needs ids of its own.
const (
	DefaultVendor  = 0x1209
	DefaultProduct = 0x0001
)

// Identity is what differs from one PED to the next.
type Identity struct {
	Vendor, Product uint16 // ids
	Release         uint16 // bcdDevice: the firmware
	Name            string // product string
	Serial          string // serial number string
}

// IdentityOf makes the identity of a PED. Ids of 0 stand for the default ones.
func IdentityOf(i usbped.Info, vendor, product uint16) Identity {
	if vendor == 0 && product == 0 {
		vendor, product = DefaultVendor, DefaultProduct
	}
	name := usbped.USBProduct
	if i.Software {
		name += " (software)"
	}
	return Identity{Vendor: vendor, Product: product, Release: release(i.Firmware), Name: name, Serial: i.Serial}
}

// Manufacturer returns the manufacturer string.
func (Identity) Manufacturer() string { return manufacturer }

// release writes "2.9.0" as 0x0290: two decimal digits and two of one. What has
// no place there is cut off at its largest digit.
func release(firmware string) uint16 {
	var v uint16
	parts := append(strings.SplitN(firmware, ".", 3), "", "", "")
	for i, most := range []uint64{99, 9, 9} {
		digits := strings.TrimLeft(parts[i], "0123456789")
		n, _ := strconv.ParseUint(strings.TrimSuffix(parts[i], digits), 10, 16) // no digits: 0
		n = min(n, most)
		if i == 0 {
			v = uint16(n/10<<4 | n%10)
		} else {
			v = v<<4 | uint16(n)
		}
	}
	return v
}
