package usbdev

import (
	"bytes"
	"testing"
)

func ask(kind, request uint8, value, index, length uint16) Setup {
	return Setup{kind, request, value, index, length}
}

func TestControl(t *testing.T) {
	c := newControl(testID, High)
	type step struct {
		name string
		s    Setup
		want []byte // nil with stalled false: an empty answer
		ok   bool
	}
	for _, s := range []step{
		{"device, first eight bytes", ask(0x80, 6, 0x0100, 0, 8), testID.Device()[:8], true},
		{"device", ask(0x80, 6, 0x0100, 0, 64), testID.Device(), true},
		{"configuration", ask(0x80, 6, 0x0200, 0, 255), testID.Configuration(High), true},
		{"no second configuration", ask(0x80, 6, 0x0201, 0, 255), nil, false},
		{"other speed", ask(0x80, 6, 0x0700, 0, 255), testID.OtherSpeed(High), true},
		{"BOS", ask(0x80, 6, 0x0f00, 0, 5), BOS()[:5], true},
		{"no debug descriptor", ask(0x80, 6, 0x0a00, 0, 5), nil, false},
		{"no Microsoft 1.0 string", ask(0x80, 6, 0x03ee, 0, 18), nil, false},
		{"string in another language", ask(0x80, 6, 0x0301, 0x0407, 255), nil, false},
		{"Microsoft 2.0", ask(0xc0, VendorCode, 0, 7, 0x100), MicrosoftSet(), true},
		{"another index", ask(0xc0, VendorCode, 0, 4, 0x100), nil, false},
		{"another vendor request", ask(0xc0, 1, 0, 7, 0x100), nil, false},
		{"class request", ask(0xa1, 1, 0, 0, 8), nil, false},
		{"status", ask(0x80, 0, 0, 0, 2), []byte{0, 0}, true},
		{"not configured", ask(0x80, 8, 0, 0, 1), []byte{0}, true},
		{"no interface yet", ask(0x81, 0, 0, 0, 2), nil, false},
		{"no endpoint yet", ask(0x82, 0, 0, InAddress, 2), nil, false},
		{"endpoint 0 is always there", ask(0x82, 0, 0, 0x80, 2), []byte{0, 0}, true},
		{"configuration 2", ask(0x00, 9, 2, 0, 0), nil, false},
		{"address", ask(0x00, 5, 7, 0, 0), nil, true},
		{"configure", ask(0x00, 9, 1, 0, 0), nil, true},
		{"configured", ask(0x80, 8, 0, 0, 1), []byte{1}, true},
		{"interface status", ask(0x81, 0, 0, 0, 2), []byte{0, 0}, true},
		{"no interface 1", ask(0x81, 0, 0, 1, 2), nil, false},
		{"setting", ask(0x81, 10, 0, 0, 1), []byte{0}, true},
		{"only setting", ask(0x01, 11, 0, 0, 0), nil, true},
		{"no setting 1", ask(0x01, 11, 1, 0, 0), nil, false},
		{"no remote wakeup", ask(0x00, 3, 1, 0, 0), nil, false},
		{"no test mode", ask(0x00, 3, 2, 0x100, 0), nil, false},
		{"halt", ask(0x02, 3, 0, InAddress, 0), nil, true},
		{"halted", ask(0x82, 0, 0, InAddress, 2), []byte{1, 0}, true},
		{"others not", ask(0x82, 0, 0, OutAddress, 2), []byte{0, 0}, true},
		{"clear", ask(0x02, 1, 0, InAddress, 0), nil, true},
		{"cleared", ask(0x82, 0, 0, InAddress, 2), []byte{0, 0}, true},
		{"no such endpoint", ask(0x82, 0, 0, 0x85, 2), nil, false},
		{"no such feature", ask(0x02, 1, 1, InAddress, 0), nil, false},
		{"halt again", ask(0x02, 3, 0, OutAddress, 0), nil, true},
		{"configure again", ask(0x00, 9, 1, 0, 0), nil, true},
		{"that ends halts", ask(0x82, 0, 0, OutAddress, 2), []byte{0, 0}, true},
		{"unconfigure", ask(0x00, 9, 0, 0, 0), nil, true},
		{"no endpoint again", ask(0x02, 1, 0, InAddress, 0), nil, false},
		{"nothing asked for", ask(0x80, 6, 0x0100, 0, 0), []byte{}, true},
	} {
		a := c.request(s.s)
		if a.ok != s.ok || !bytes.Equal(a.data, s.want) {
			t.Errorf("%s: ok %v, %x; want %v, %x", s.name, a.ok, a.data, s.ok, s.want)
		}
	}
}

// Whatever a host asks, the answer fits what it has room for.
func FuzzControl(f *testing.F) {
	f.Add([]byte{0x80, 6, 0, 1, 0, 0, 64, 0, 0, 9, 1, 0, 0, 0, 0, 0})
	f.Add([]byte{0xc0, VendorCode, 0, 0, 7, 0, 255, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := newControl(testID, Full)
		for ; len(b) >= 8; b = b[8:] {
			s := ParseSetup([8]byte(b))
			if a := c.request(s); s.In() && len(a.data) > int(s.Length) || !s.In() && len(a.data) > 0 {
				t.Fatalf("%+v was answered with %d bytes", s, len(a.data))
			}
			if len(c.halted) != 3 {
				t.Fatal("an endpoint more")
			}
		}
	})
}
