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
	{rawFrame{typ: typeReset, payload: []byte{1, 2, 3, 4, 5, 6, 7, 8}}, "4f50 06 00 00000000 00000008 492e792a 0102030405060708"},
	{rawFrame{typ: typeInfoRequest, seq: 1, payload: infoRequest{1, 1, 4096}.encode()}, "4f50 01 00 00000001 00000004 b23d27cf 01011000"},
	{rawFrame{typ: typeInfo, seq: 1, payload: infoPayload{1, false, 4096, 262144, testInfo}.encode()}, "4f50 02 00 00000001 0000001b 8cc53362 0101100000040000045350303105322e392e3007736f6674706564"},
	{rawFrame{typ: typeEvent, seq: 0x01020304, payload: protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote}.Encode()}, "4f50 04 00 01020304 00000004 e49703c7 01010000"},
	{rawFrame{typ: typeFrame, seq: 2, payload: []byte{1, 2, 3}}, "4f50 03 00 00000002 00000003 eae1cc98 010203"},
	{rawFrame{typ: typeFrame, seq: 3, payload: bytes.Repeat([]byte{0xaa}, 48)}, "4f50 03 00 00000003 00000030 964af31d aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 00"},
	{rawFrame{typ: typeFrame, more: true, seq: 3, payload: []byte{1, 2}}, "4f50 03 01 00000003 00000002 f76513ae 0102"},
	{rawFrame{typ: typeCredit, seq: 2, payload: []byte{0, 2, 0, 0}}, "4f50 09 00 00000002 00000004 08def77e 00020000"},
	{rawFrame{typ: typeCancel, seq: 4, payload: []byte{5, 6, 7, 9}}, "4f50 05 00 00000004 00000004 fff5a6cf 05060709"},
	{rawFrame{typ: typeCanceled, seq: 3, payload: []byte{5, 6, 7, 9, 1, 2, 3, 5}}, "4f50 0a 00 00000003 00000008 61d13ad1 0506070901020305"},
	{rawFrame{typ: typePing, seq: 5, payload: []byte{0, 0, 0, 9}}, "4f50 07 00 00000005 00000004 ae7e7e12 00000009"},
	{rawFrame{typ: typePong, seq: 0xffffffff, payload: []byte{0, 0, 0, 9, 1, 2, 3, 5}}, "4f50 08 00 ffffffff 00000008 08748c9b 0000000901020305"},
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
		b := appendFrame(nil, s.f)
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
		b := appendFrame(nil, s.f)
		for n := range b {
			if _, err := readFrame(bytes.NewReader(b[:n])); err != io.ErrUnexpectedEOF && (n != 0 || err != io.EOF) {
				t.Errorf("%v cut to %d: %v", s.f.typ, n, err)
			}
		}
		for i := range b {
			for bit := range 8 {
				c := bytes.Clone(b)
				c[i] ^= 1 << bit
				if f, err := readFrame(bytes.NewReader(append(c, make([]byte, MaxSegment)...))); !errors.Is(err, ErrCorrupt) {
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
		"pong of 4":         "4f50 08 00 00000000 00000004",
		"type 11":           "4f50 0b 00 00000000 00000000",
		"flags":             "4f50 03 80 00000000 00000004",
		"more of ping":      "4f50 07 01 00000000 00000004",
		"frame empty":       "4f50 03 00 00000000 00000000",
		"frame 4097":        "4f50 03 00 00000000 00001001",
		"length over 4 GiB": "4f50 03 00 00000000 ffffffff",
		"ping of 5":         "4f50 07 00 00000000 00000005",
		"cancel of 0":       "4f50 05 00 00000000 00000000",
		"reset of 0":        "4f50 06 00 00000000 00000000",
		"info of 10":        "4f50 02 00 00000000 0000000a",
		"event of 133":      "4f50 04 00 00000000 00000085",
		"credit of 3":       "4f50 09 00 00000000 00000003",
		"canceled of 4":     "4f50 0a 00 00000000 00000004",
		"zeros":             "0000 00 00 00000000 00000000",
	} {
		h := unhex(t, s)
		h = binary.BigEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
		if f, err := readFrame(&headerOnly{h}); err != ErrCorrupt {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if f, err := readFrame(bytes.NewReader(appendFrame(nil, rawFrame{typ: typeFrame, payload: make([]byte, MaxSegment)}))); err != nil || len(f.payload) != MaxSegment {
		t.Error(err)
	}
}

// No frame fills its last packet at any speed: the receiver would wait for more.
func TestPad(t *testing.T) {
	for n := 1; n <= MaxSegment; n++ {
		f := rawFrame{typ: typeFrame, payload: bytes.Repeat([]byte{1}, n)}
		b := appendFrame([]byte{9}, f)[1:]
		if len(b)%64 == 0 || len(b) != headerSize+n && (len(b) != headerSize+n+1 || b[len(b)-1] != 0) {
			t.Fatalf("frame of %d bytes is %d long", n, len(b))
		}
		if got, err := readFrame(bytes.NewReader(b)); err != nil || !bytes.Equal(got.payload, f.payload) {
			t.Fatalf("frame of %d bytes: %v", n, err)
		}
	}
}

func TestInfo(t *testing.T) {
	for _, p := range []infoPayload{
		{1, false, 4096, 262144, testInfo}, {0, true, 256, 544, Info{}}, {1, true, 4096, 1 << 20, Info{Serial: strings.Repeat("x", 32)}},
	} {
		if got, err := decodeInfo(p.encode()); err != nil || got != p {
			t.Errorf("%+v, %v, want %+v", got, err, p)
		}
	}
	// What a peer would refuse is not sent.
	got, err := decodeInfo(infoPayload{1, false, 4096, 1 << 16, Info{Serial: strings.Repeat("x", 300), Firmware: "2.9\n"}}.encode())
	if err != nil || got.info.Serial != strings.Repeat("x", 32) || got.info.Firmware != "2.9?" {
		t.Errorf("%+v, %v", got, err)
	}
	const limits = "1000 00010000"
	for name, s := range map[string]string{
		"flag 4": "01 04" + limits + "00 00 00", "long serial": "01 00" + limits + "21" + strings.Repeat("41", 33) + "0000", "escape": "01 00" + limits + "01 1b 00 00",
		"trailing": "01 00" + limits + "00 00 00 00", "cut": "01 00" + limits + "00 00",
		"segment 255": "01 00 00ff 00010000 00 00 00", "segment 4097": "01 00 1001 00010000 00 00 00",
		"window below two segments": "01 00 1000 0000201f 00 00 00", "window over 1 MiB": "01 00 1000 00100001 00 00 00",
	} {
		if p, err := decodeInfo(unhex(t, s)); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestInfoRequest(t *testing.T) {
	for s, want := range map[string]uint8{"01011000": 1, "01091000": 1, "02031000": 0, "01010100": 1} {
		p, err := decodeInfoRequest(unhex(t, s))
		if v := p.choose(); err != nil || v != want || !bytes.Equal(p.encode(), unhex(t, s)) {
			t.Errorf("%s: %d, %v, want %d", s, v, err, want)
		}
	}
	for _, s := range []string{"", "0101", "00011000", "02011000", "0101100000", "010100ff", "01011001"} {
		if _, err := decodeInfoRequest(unhex(t, s)); err == nil {
			t.Errorf("%s is taken", s)
		}
	}
}

func FuzzUSBFrame(f *testing.F) {
	for _, s := range samples {
		f.Add(appendFrame(nil, s.f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for {
			start := len(b) - r.Len()
			fr, err := readFrame(r)
			if err != nil {
				return
			}
			if !bytes.Equal(appendFrame(nil, fr), b[start:len(b)-r.Len()]) {
				t.Fatalf("%+v is not canonical", fr)
			}
			if p, err := decodeInfo(fr.payload); err == nil && !bytes.Equal(p.encode(), fr.payload) {
				t.Fatalf("info %+v is not canonical", p)
			}
		}
	})
}
