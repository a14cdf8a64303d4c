package usbped

import "strconv"

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
