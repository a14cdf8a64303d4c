package usbdev

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf16"

	"openped/usbped"
)

var testID = Identity{Vendor: 0x1209, Product: 0x0001, Release: 0x0290, Name: "Open Remote PED (software)", Serial: "SP-7"}

// The bytes as they go over the wire.
func TestGolden(t *testing.T) {
	str := func(index uint8) []byte { b, _ := testID.String(index); return b }
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"device", testID.Device(), "12 01 0102 00 00 00 40 0912 0100 9002 01 02 03 01"},
		{"qualifier", testID.Qualifier(), "0a 06 0102 00 00 00 40 01 00"},
		{"configuration, high speed", testID.Configuration(High), "09 02 2700 01 01 00 80 fa  09 04 00 00 03 ff 50 01 00" +
			"07 05 01 02 0002 00  07 05 82 02 0002 00  07 05 83 03 4000 06"},
		{"configuration, full speed", testID.Configuration(Full), "09 02 2700 01 01 00 80 fa  09 04 00 00 03 ff 50 01 00" +
			"07 05 01 02 4000 00  07 05 82 02 4000 00  07 05 83 03 4000 04"},
		{"other speed of high", testID.OtherSpeed(High), "09 07 2700 01 01 00 80 fa  09 04 00 00 03 ff 50 01 00" +
			"07 05 01 02 4000 00  07 05 82 02 4000 00  07 05 83 03 4000 04"},
		{"languages", str(0), "04 03 0904"},
		{"manufacturer", str(1), "10 03 6f00 7000 6500 6e00 7000 6500 6400"},
		{"serial", str(3), "0a 03 5300 5000 2d00 3700"},
		{"BOS", BOS(), "05 0f 2100 01  1c 10 05 00 df60ddd8 8945 c74c 9cd2 659d9e648a9f 00000306 a200 4f 00"},
		{"Microsoft OS 2.0", MicrosoftSet(), "0a00 0000 00000306 a200" +
			"1400 0300 57494e5553420000 0000000000000000" +
			"8400 0400 0700 2a00 4400650076006900630065004900 6e007400650072006600610063006500 4700550049004400730000 00" +
			"5000 7b00" + wideHex("9C2C2C5E-6A0B-4E0C-8F5D-3B8A7C0A51D4") + "7d00 0000 0000"},
	} {
		if want := strings.ReplaceAll(c.want, " ", ""); hex.EncodeToString(c.got) != want {
			t.Errorf("%s:\n got %x\nwant %s", c.name, c.got, want)
		}
	}
}

func wideHex(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteString(hex.EncodeToString([]byte{c, 0}))
	}
	return b.String()
}

// chain splits descriptors that follow one another, as a host does. It knows
// nothing of how they were made.
func chain(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var all [][]byte
	for len(b) > 0 {
		n := int(b[0])
		if n < 2 || n > len(b) {
			t.Fatalf("a descriptor of %d bytes where %d are left", n, len(b))
		}
		all = append(all, b[:n])
		b = b[n:]
	}
	return all
}

func u16(b []byte) int { return int(binary.LittleEndian.Uint16(b)) }

// The configuration read as a host reads it.
func TestConfigurationParses(t *testing.T) {
	for _, s := range []Speed{Full, High} {
		all := chain(t, testID.Configuration(s))
		if len(all) != 5 || len(all[0]) != 9 || u16(all[0][2:]) != len(testID.Configuration(s)) || all[0][4] != 1 {
			t.Fatalf("speed %d: %x", s, all)
		}
		face := all[1]
		if len(face) != 9 || face[1] != 4 || int(face[4]) != len(all)-2 || face[5] != 0xff || face[6] != 0x50 || face[7] != 1 {
			t.Errorf("interface %x", face)
		}
		kinds := map[[2]byte]int{} // direction and type to packet size
		for _, e := range all[2:] {
			if len(e) != 7 || e[1] != 5 || e[2]&0x0f == 0 {
				t.Errorf("endpoint %x", e)
			}
			kinds[[2]byte{e[2] & 0x80, e[3]}] = u16(e[4:])
		}
		packet := map[Speed]int{Full: 64, High: 512}[s]
		for k, want := range map[[2]byte]int{{0, 2}: packet, {0x80, 2}: packet, {0x80, 3}: 64} {
			if kinds[k] != want {
				t.Errorf("speed %d: endpoint %x has packets of %d, not %d", s, k, kinds[k], want)
			}
		}
	}
}

// The BOS leads to the Microsoft set, and that says WINUSB and one GUID.
func TestMicrosoftParses(t *testing.T) {
	bos := BOS()
	if u16(bos[2:]) != len(bos) || int(bos[4]) != len(chain(t, bos[5:])) {
		t.Fatalf("BOS %x", bos)
	}
	capability := bos[5:]
	// GUID text to bytes, by the rule of the GUID structure.
	const platform = "D8DD60DF-4589-4CC7-9CD2-659D9E648A9F"
	raw, err := hex.DecodeString(strings.ReplaceAll(platform, "-", ""))
	if err != nil {
		t.Fatal(err)
	}
	want := []byte{raw[3], raw[2], raw[1], raw[0], raw[5], raw[4], raw[7], raw[6]}
	want = append(want, raw[8:]...)
	if capability[2] != 5 || string(capability[4:20]) != string(want) {
		t.Errorf("capability %x is not that of %s", capability, platform)
	}
	set := MicrosoftSet()
	if u16(capability[24:]) != len(set) || capability[26] != VendorCode {
		t.Errorf("capability %x tells of a set of %d bytes", capability, u16(capability[24:]))
	}
	if u16(set) != 10 || u16(set[2:]) != 0 || u16(set[8:]) != len(set) || string(set[4:8]) != string(capability[20:24]) {
		t.Fatalf("head of the set %x", set[:10])
	}
	seen := 0
	for rest := set[10:]; len(rest) > 0; {
		n, kind := u16(rest), u16(rest[2:])
		if n < 4 || n > len(rest) {
			t.Fatalf("a feature of %d bytes where %d are left", n, len(rest))
		}
		switch kind {
		case 3:
			if string(rest[4:n]) != "WINUSB"+strings.Repeat("\x00", 10) {
				t.Errorf("compatible id %q", rest[4:n])
			}
		case 4:
			name := rest[8 : 8+u16(rest[6:])]
			data := rest[8+len(name)+2 : n]
			if u16(rest[4:]) != 7 || u16(rest[8+len(name):]) != len(data) || narrow(name) != "DeviceInterfaceGUIDs\x00" ||
				narrow(data) != InterfaceGUID+"\x00\x00" {
				t.Errorf("property %q = %q", narrow(name), narrow(data))
			}
		default:
			t.Errorf("feature of type %d", kind)
		}
		seen++
		rest = rest[n:]
	}
	if seen != 2 {
		t.Errorf("%d features", seen)
	}
	if len(InterfaceGUID) != 38 || InterfaceGUID[0] != '{' || InterfaceGUID != strings.ToUpper(InterfaceGUID) {
		t.Errorf("GUID %s", InterfaceGUID)
	}
}

func narrow(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

func TestLongStrings(t *testing.T) {
	id := Identity{Serial: strings.Repeat("x", 300)}
	if b, ok := id.String(stringSerial); !ok || len(b) != 254 || int(b[0]) != len(b) {
		t.Errorf("%d bytes that say %d", len(b), b[0])
	}
}

func TestIdentity(t *testing.T) {
	for firmware, want := range map[string]uint16{
		"2.9.0": 0x0290, "2.8.1": 0x0281, "12.3.4": 0x1234, "2": 0x0200, "": 0, "2.10.11": 0x0299, "100.0": 0x9900, "2.9.0-rc1": 0x0290,
		"v2": 0, "99999999.1": 0x9910, "2.9.1.7": 0x0291,
	} {
		if got := IdentityOf(usbped.Info{Firmware: firmware}, 0, 0).Release; got != want {
			t.Errorf("%q is %04x, not %04x", firmware, got, want)
		}
	}
	id := IdentityOf(usbped.Info{Serial: "SP-7", Firmware: "2.9.0", Software: true}, 0, 0)
	if id != testID {
		t.Errorf("%+v", id)
	}
	if id := IdentityOf(usbped.Info{}, 0xabcd, 0); id.Vendor != 0xabcd || id.Product != 0 || id.Name != usbped.USBProduct {
		t.Errorf("%+v", id)
	}
}
