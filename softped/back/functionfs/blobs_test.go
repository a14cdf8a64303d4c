package functionfs

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// What ep0 takes, as the kernel reads it: head, counts, descriptors.
func TestDescriptors(t *testing.T) {
	b := descriptors()
	u32 := func(at int) int { return int(binary.LittleEndian.Uint32(b[at:])) }
	if u32(0) != 3 || u32(4) != len(b) || u32(8) != 1|2|8 || u32(12) != 4 || u32(16) != 4 || u32(20) != 2 {
		t.Fatalf("head %x", b[:24])
	}
	rest := b[24:]
	var addresses [2]string
	for speed := range 2 {
		for range 4 {
			n := int(rest[0])
			if n < 7 || n > len(rest) {
				t.Fatalf("descriptor %x", rest)
			}
			if rest[1] == 5 {
				addresses[speed] += hex.EncodeToString(rest[2:4])
			}
			rest = rest[n:]
		}
	}
	if addresses[0] != "010282028303" || addresses[1] != addresses[0] {
		t.Errorf("endpoints %v: the kernel wants the same at each speed", addresses)
	}
	want := "00 23000000 0100 0400 0100  00 01 57494e5553420000 0000000000000000 000000000000" +
		"00 56000000 0100 0500 0100  4b000000 07000000 1500" + hex.EncodeToString([]byte("DeviceInterfaceGUIDs\x00")) +
		"28000000" + hex.EncodeToString([]byte("{9C2C2C5E-6A0B-4E0C-8F5D-3B8A7C0A51D4}\x00\x00"))
	if got := hex.EncodeToString(rest); got != strings.ReplaceAll(want, " ", "") {
		t.Errorf("\n got %s\nwant %s", got, strings.ReplaceAll(want, " ", ""))
	}
	if got := hex.EncodeToString(noStrings()); got != "02000000100000000000000000000000" {
		t.Error(got)
	}
}

func TestEvents(t *testing.T) {
	b := append(make([]byte, 8), eventEnable, 0, 0, 0)
	b = append(b, 0xc1, 6, 1, 0, 2, 0, 3, 0, eventSetup, 0, 0, 0)
	es := parseEvents(append(b, 1, 2, 3)) // the kernel gives whole ones
	if len(es) != 2 || es[0].kind != eventEnable || es[1].kind != eventSetup || !es[1].setup.In() || es[1].setup.Length != 3 {
		t.Errorf("%+v", es)
	}
}
