package usbped

import "testing"

func TestParseUSBID(t *testing.T) {
	for s, want := range map[string][2]uint16{"1209:0001": {0x1209, 1}, "FFFF:abcd": {0xffff, 0xabcd}} {
		if v, p, ok := ParseUSBID(s); !ok || v != want[0] || p != want[1] {
			t.Errorf("%s: %04x:%04x, %v", s, v, p, ok)
		}
	}
	for _, s := range []string{"", "1209", "1209:1", "12090001x", "1209-0001", "+209:0001", "1209:0x01", "1209:00011", "gggg:0001", "1209:-001"} {
		if v, p, ok := ParseUSBID(s); ok {
			t.Errorf("%q is %04x:%04x", s, v, p)
		}
	}
}
