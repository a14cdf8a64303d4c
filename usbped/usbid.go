package usbped

import "strconv"

// What a PED's interface is called in its descriptors, and how the name of the
// product begins. A host goes by these, and not by the ids of vendor and product.
const (
	USBClass    = 0xff // of the vendor's own
	USBSubclass = 0x50
	USBProtocol = 0x01
	USBProduct  = "Open Remote PED"
)

// ParseUSBID reads a pair of USB ids as people write it, four hexadecimal digits
// each: "1209:0001".
func ParseUSBID(s string) (vendor, product uint16, ok bool) {
	if len(s) != 9 || s[4] != ':' {
		return 0, 0, false
	}
	v, err := strconv.ParseUint(s[:4], 16, 16)
	if err != nil {
		return 0, 0, false
	}
	p, err := strconv.ParseUint(s[5:], 16, 16)
	return uint16(v), uint16(p), err == nil
}
