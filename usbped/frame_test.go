package usbped

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"reflect"
	"strings"
	"testing"

	"openped/protocol"
)

var testInfo = Info{Serial: "SP01", Firmware: "2.9.0", Product: "softped", Software: true}

// samples are the golden frames of SPEC.
var samples = []struct {
	f    rawFrame
	want string
}{
	{rawFrame{typeReset, 0, []byte{}}, "4f50 06 00 00000000 00000000 c9e3e4f0"},
	{rawFrame{typeInfoRequest, 1, []byte{1, 1}}, "4f50 01 00 00000001 00000002 c1a1e66b 0101"},
	{rawFrame{typeInfo, 1, infoPayload{1, false, testInfo}.encode()}, "4f50 02 00 00000001 00000015 b80fa4be 01 01 0453503031 05322e392e30 07736f6674706564"},
	{rawFrame{typeFrame, 2, []byte{1, 2, 3}}, "4f50 03 00 00000002 00000003 eae1cc98 010203"},
	{rawFrame{typeEvent, 2, protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote}.Encode()}, "4f50 04 00 00000002 00000004 95a1acc8 01010000"},
	{rawFrame{typeCancel, 3, []byte{}}, "4f50 05 00 00000003 00000000 d9c6ae1a"},
	{rawFrame{typePing, 4, []byte{0, 0, 0, 9}}, "4f50 07 00 00000004 00000004 5a40a85a 00000009"},
	{rawFrame{typePong, 0xffffffff, []byte{0, 0, 0, 9}}, "4f50 08 00 ffffffff 00000004 520abb3a 00000009"},
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFrameGolden(t *testing.T) {
	var all bytes.Buffer
	for _, s := range samples {
		b := appendFrame(s.f)
		if !bytes.Equal(b, unhex(t, s.want)) {
			t.Errorf("%v: %x, want %s", s.f.typ, b, s.want)
		}
		all.Write(b)
	}
	for _, s := range samples {
		if f, err := readFrame(&all); err != nil || !reflect.DeepEqual(f, s.f) {
			t.Errorf("%+v, %v, want %+v", f, err, s.f)
		}
	}
	if _, err := readFrame(&all); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// CRC-32C's check value, so that the golden frames do not rest on our own sums.
func TestChecksum(t *testing.T) {
	if got := checksum([]byte("1234"), []byte("56789")); got != 0xe3069283 {
		t.Errorf("%08x", got)
	}
}

// No byte can change without being noticed.
func TestFrameTampered(t *testing.T) {
	for _, s := range samples {
		b := appendFrame(s.f)
		for n := range b {
			if _, err := readFrame(bytes.NewReader(b[:n])); err != io.ErrUnexpectedEOF && (n != 0 || err != io.EOF) {
				t.Errorf("%v cut to %d: %v", s.f.typ, n, err)
			}
		}
		for i := range b {
			for bit := range 8 {
				c := bytes.Clone(b)
				c[i] ^= 1 << bit
				if f, err := readFrame(bytes.NewReader(append(c, make([]byte, MaxPayload)...))); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%v: bit %d of byte %d: %+v, %v", s.f.typ, bit, i, f, err)
				}
			}
		}
	}
}

type headerOnly struct{ b []byte }

func (h *headerOnly) Read(p []byte) (int, error) {
	if len(h.b) == 0 {
		return 0, errors.New("read beyond the header")
	}
	n := copy(p, h.b)
	h.b = h.b[n:]
	return n, nil
}

// A bad header is refused with a right checksum too, and before its payload is
// waited for.
func TestFrameRefused(t *testing.T) {
	for name, s := range map[string]string{
		"magic":             "4f51 07 00 00000000 00000004",
		"type 0":            "4f50 00 00 00000000 00000000",
		"type 9":            "4f50 09 00 00000000 00000000",
		"flags":             "4f50 07 80 00000000 00000004",
		"frame empty":       "4f50 03 00 00000000 00000000",
		"frame 65701":       "4f50 03 00 00000000 000100a5",
		"length over 4 GiB": "4f50 03 00 00000000 ffffffff",
		"ping of 5":         "4f50 07 00 00000000 00000005",
		"cancel of 1":       "4f50 05 00 00000000 00000001",
		"info of 4":         "4f50 02 00 00000000 00000004",
		"event of 133":      "4f50 04 00 00000000 00000085",
	} {
		h := unhex(t, s)
		h = binary.BigEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
		if f, err := readFrame(&headerOnly{h}); err != ErrCorrupt {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if f, err := readFrame(bytes.NewReader(appendFrame(rawFrame{typeFrame, 0, make([]byte, MaxPayload)}))); err != nil || len(f.payload) != MaxPayload {
		t.Error(err)
	}
}

func TestInfo(t *testing.T) {
	for _, p := range []infoPayload{{1, false, testInfo}, {0, true, Info{}}, {1, true, Info{Serial: strings.Repeat("x", 32)}}} {
		if got, err := decodeInfo(p.encode()); err != nil || got != p {
			t.Errorf("%+v, %v, want %+v", got, err, p)
		}
	}
	// What a peer would refuse is not sent.
	got, err := decodeInfo(infoPayload{1, false, Info{Serial: strings.Repeat("x", 300), Firmware: "2.9\n"}}.encode())
	if err != nil || got.info.Serial != strings.Repeat("x", 32) || got.info.Firmware != "2.9?" {
		t.Errorf("%+v, %v", got, err)
	}
	for name, s := range map[string]string{
		"flag 4": "01 04 00 00 00", "long serial": "01 00 21" + strings.Repeat("41", 33) + "0000", "escape": "01 00 01 1b 00 00",
		"trailing": "01 00 00 00 00 00", "cut": "01 00 00 00",
	} {
		if p, err := decodeInfo(unhex(t, s)); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestChooseVersion(t *testing.T) {
	for s, want := range map[string]uint8{"0101": 1, "0109": 1, "0203": 0} {
		if v, err := chooseVersion(unhex(t, s)); err != nil || v != want {
			t.Errorf("%s: %d, %v, want %d", s, v, err, want)
		}
	}
	for _, s := range []string{"", "01", "0001", "0201", "010101"} {
		if _, err := chooseVersion(unhex(t, s)); err != ErrCorrupt {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func FuzzUSBFrame(f *testing.F) {
	for _, s := range samples {
		f.Add(appendFrame(s.f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for {
			start := len(b) - r.Len()
			fr, err := readFrame(r)
			if err != nil {
				return
			}
			if !bytes.Equal(appendFrame(fr), b[start:len(b)-r.Len()]) {
				t.Fatalf("%+v is not canonical", fr)
			}
			if p, err := decodeInfo(fr.payload); err == nil && !bytes.Equal(p.encode(), fr.payload) {
				t.Fatalf("info %+v is not canonical", p)
			}
		}
	})
}
