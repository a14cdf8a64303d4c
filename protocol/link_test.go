package protocol

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"openped/internal/wire"
)

var linkSamples = []struct {
	b    Body
	want string // the whole frame
}{
	{Hello{1, 1, 0, "t/1", nil}, "01000000" + "0000000f" + "0101" + "0000000000000000" + "03742f31" + "00"},
	{Hello{1, 2, 5, "", []Ext{{Type: 0x0102, Value: []byte{9}}, {Type: 3}}}, "01000000" + "00000017" + "0102" + "0000000000000005" + "00" + "02" + "0102" + "00" + "0001" + "09" + "0003" + "00" + "0000"},
	{Acquire{"532018"}, "02000000" + "00000007" + "06353332303138"},
	{Acquired{"SP01", "2.9.0", true}, "03000000" + "0000000c" + "0453503031" + "05322e392e30" + "01"},
	{Busy{90, ""}, "04000000" + "00000005" + "0000005a" + "00"},
	{Busy{1, "hsm-2"}, "04000000" + "0000000a" + "00000001" + "0568736d2d32"},
	{PEDFrame{[]byte{1, 2, 3}}, "05000000" + "00000003" + "010203"},
	{PEDEvent{EvtState, PEDModeRemote, false, nil}, "06000000" + "00000004" + "01010000"},
	{PEDEvent{EvtProven, PEDModePair, true, []KeySerial{tKey}}, "06000000" + "0000000c" + "02030101" + hKey},
	{Ping{0x01020304}, "07000000" + "00000004" + "01020304"},
	{Pong{7}, "08000000" + "00000004" + "00000007"},
	{Release{}, "09000000" + "00000000"},
	{Error{LinkErrTooSlow}, "0a000000" + "00000002" + "0006"},
	{Error{999}, "0a000000" + "00000002" + "03e7"},
	{Probe{}, "0b000000" + "00000000"},
	{Probed{}, "0c000000" + "00000009" + "00" + "00" + "00" + "00" + "00" + "00000000"},
	{Probed{true, "SP01", "2.9.0", true, PEDModeRemote, 61}, "0c000000" + "00000012" + "01" + "0453503031" + "05322e392e30" + "01" + "01" + "0000003d"},
}

func TestLinkGolden(t *testing.T) {
	seen := map[FrameType]bool{}
	var stream bytes.Buffer
	for _, s := range linkSamples {
		var one bytes.Buffer
		if err := WriteBody(&one, s.b); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(one.Bytes()); got != s.want {
			t.Errorf("%v: %s, want %s", s.b.FrameType(), got, s.want)
		}
		stream.Write(one.Bytes())
		seen[s.b.FrameType()] = true
	}
	for i := range frameTypes {
		if ft := FrameType(i); ft.Valid() && !seen[ft] {
			t.Errorf("%v: no sample", ft)
		}
	}
	r := iotest.OneByteReader(&stream)
	for _, s := range linkSamples {
		f, err := ReadFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.Decode()
		if err != nil || !reflect.DeepEqual(b, s.b) {
			t.Errorf("%v: %+v, %v, want %+v", f.Type, b, err, s.b)
		}
	}
	if _, err := ReadFrame(r); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestLinkTampered(t *testing.T) {
	for _, s := range linkSamples {
		b := unhex(t, s.want)
		for n := range b {
			_, err := ReadFrame(bytes.NewReader(b[:n]))
			if want := map[bool]error{true: io.EOF, false: io.ErrUnexpectedEOF}[n == 0]; err != want {
				t.Errorf("%v cut to %d: %v, want %v", s.b.FrameType(), n, err, want)
			}
		}
		for i := range b {
			for _, x := range []byte{1, 0x80, 0xff} {
				c := bytes.Clone(b)
				c[i] ^= x
				f, err := ReadFrame(bytes.NewReader(c))
				if err != nil {
					continue
				}
				body, err := f.Decode()
				if err != nil {
					continue
				}
				if got := ToFrame(body).Body; !bytes.Equal(got, f.Body) || reflect.DeepEqual(body, s.b) {
					t.Errorf("%v: byte %d ^ %x: %+v", s.b.FrameType(), i, x, body)
				}
			}
		}
		f := ToFrame(s.b)
		if _, isFrame := s.b.(PEDFrame); isFrame {
			continue // any bytes will do there
		}
		if _, err := (Frame{f.Type, append(f.Body, 0)}).Decode(); err == nil {
			t.Errorf("%v: a trailing byte is accepted", f.Type)
		}
	}
}

// headerOnly fails the test when more is read than a header: a refused length
// must be refused before its bytes are waited for.
type headerOnly struct{ b []byte }

func (h *headerOnly) Read(p []byte) (int, error) {
	if len(h.b) == 0 {
		return 0, errors.New("read beyond the header")
	}
	n := copy(p, h.b)
	h.b = h.b[n:]
	return n, nil
}

func TestFrameRefused(t *testing.T) {
	for name, s := range map[string]string{
		"type 0":            "00000000" + "00000000",
		"type 13":           "0d000000" + "00000000",
		"type 255":          "ff000000" + "00000000",
		"flags":             "07010000" + "00000004",
		"zero":              "07000001" + "00000004",
		"length over 4 GiB": "05000000" + "ffffffff",
		"over the cap":      "05000000" + "00020001",
		"PED frame 65701":   "05000000" + "000100a5",
		"ping of 5":         "07000000" + "00000005",
		"release of 1":      "09000000" + "00000001",
		"probe of 1":        "0b000000" + "00000001",
		"probed of 58":      "0c000000" + "0000003a",
		"busy of 70":        "04000000" + "00000046",
		"event of 133":      "06000000" + "00000085",
	} {
		if _, err := ReadFrame(&headerOnly{unhex(t, s)}); err != wire.ErrMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	var w bytes.Buffer
	for name, f := range map[string]Frame{
		"type 0":    {0, nil},
		"type 13":   {13, nil},
		"too long":  {FramePED, make([]byte, MaxPEDFrame+1)},
		"ping of 5": {FramePing, make([]byte, 5)},
	} {
		if err := WriteFrame(&w, f); err != wire.ErrMalformed || w.Len() != 0 {
			t.Errorf("%s: %v, %d bytes written", name, err, w.Len())
		}
	}
	for i := range frameTypes {
		if frameTypes[i].max > MaxFrameBody {
			t.Errorf("%v: cap over MaxFrameBody", FrameType(i))
		}
	}
	if err := WriteFrame(&w, Frame{FramePED, make([]byte, MaxPEDFrame)}); err != nil {
		t.Error(err)
	}
	if f, err := ReadFrame(&w); err != nil || len(f.Body) != MaxPEDFrame {
		t.Error(err)
	}
}

func TestBodyRefused(t *testing.T) {
	hello := func(ext string) string { return "0101" + "0000000000000000" + "00" + ext }
	for name, f := range map[string]struct {
		t    FrameType
		body string
		want error
	}{
		"hello min 0":          {FrameHello, "0001" + "0000000000000000" + "0000", wire.ErrMalformed},
		"hello min over max":   {FrameHello, "0201" + "0000000000000000" + "0000", wire.ErrMalformed},
		"hello long software":  {FrameHello, "0101" + "0000000000000000" + "21" + strings.Repeat("41", 33) + "00", wire.ErrMalformed},
		"hello escape":         {FrameHello, "0101" + "0000000000000000" + "011b" + "00", wire.ErrMalformed},
		"hello 17 extensions":  {FrameHello, hello("11" + strings.Repeat("0000000000", 17)), wire.ErrMalformed},
		"hello same twice":     {FrameHello, hello("02" + "0001000000" + "0001000000"), wire.ErrMalformed},
		"hello critical":       {FrameHello, hello("02" + "0001000000" + "0002010000"), ErrCritical},
		"hello critical, cut":  {FrameHello, hello("02" + "0002010000"), wire.ErrMalformed},
		"hello critical 2":     {FrameHello, hello("01" + "0002020000"), wire.ErrMalformed},
		"hello long extension": {FrameHello, hello("01" + "0002000401" + strings.Repeat("00", 1025)), wire.ErrMalformed},
		"acquire long":         {FrameAcquire, "21" + strings.Repeat("41", 33), wire.ErrMalformed},
		"acquired software 2":  {FrameAcquired, "000002", wire.ErrMalformed},
		"busy long":            {FrameBusy, "00000001" + "41" + strings.Repeat("41", 65), wire.ErrMalformed},
		"busy escape":          {FrameBusy, "00000001" + "011b", wire.ErrMalformed},
		"busy without holder":  {FrameBusy, "00000001", wire.ErrMalformed},
		"probed mode 5":        {FrameProbed, "01" + "0000" + "00" + "05" + "00000000", wire.ErrMalformed},
		"probed software 2":    {FrameProbed, "01" + "0000" + "02" + "01" + "00000000", wire.ErrMalformed},
		"probed without a PED": {FrameProbed, "00" + "0000" + "00" + "01" + "00000000", wire.ErrMalformed},
		"probed, taken":        {FrameProbed, "00" + "0000" + "00" + "00" + "00000001", wire.ErrMalformed},
		"PED frame empty":      {FramePED, "", wire.ErrMalformed},
		"event kind 0":         {FrameEvent, "00010000", wire.ErrMalformed},
		"event kind 4":         {FrameEvent, "04010000", wire.ErrMalformed},
		"event mode 0":         {FrameEvent, "01000000", wire.ErrMalformed},
		"event mode 5":         {FrameEvent, "01050000", wire.ErrMalformed},
		"event busy 2":         {FrameEvent, "01010200", wire.ErrMalformed},
		"event 17 keys":        {FrameEvent, "01010011" + strings.Repeat(hKey, 17), wire.ErrMalformed},
		"no such type":         {0, "", wire.ErrMalformed},
	} {
		if b, err := (Frame{f.t, unhex(t, f.body)}).Decode(); err != f.want {
			t.Errorf("%s: %+v, %v, want %v", name, b, err, f.want)
		}
	}
	if n := len(PEDEvent{RPKs: make([]KeySerial, 20)}.Encode()); n != 4+8*MaxRPKs {
		t.Errorf("event with too many keys has %d bytes", n)
	}
}

func TestNegotiate(t *testing.T) {
	h := func(lo, hi uint8) Hello { return Hello{MinVersion: lo, MaxVersion: hi} }
	for _, c := range []struct {
		mine, theirs Hello
		want         uint8 // 0: none
	}{
		{h(1, 1), h(1, 1), 1},
		{h(1, 3), h(1, 2), 2},
		{h(1, 3), h(2, 9), 3},
		{h(2, 3), h(1, 1), 0},
		{h(1, 1), h(2, 3), 0},
		{h(0, 0), h(0, 0), 0},
	} {
		for _, p := range [][2]Hello{{c.mine, c.theirs}, {c.theirs, c.mine}} {
			v, err := Negotiate(p[0], p[1])
			var e Error
			if v != c.want || (err != nil) != (c.want == 0) || err != nil && (!errors.As(err, &e) || e.Code != LinkErrVersion) {
				t.Errorf("%+v: %d, %v", p, v, err)
			}
		}
	}
}

func TestLinkErrors(t *testing.T) {
	seen := map[string]bool{}
	for c := LinkErrVersion; c <= LinkErrPEDUnusable; c++ {
		e := Error{c}
		if !c.Valid() || e.Error() != c.String() || e.Hint() == "" || strings.Contains(e.Hint(), "\n") || seen[e.Error()] {
			t.Errorf("%d: %q, hint %q", c, e, e.Hint())
		}
		seen[e.Error()] = true
	}
	for _, c := range []LinkErr{0, 14, 65535} {
		if c.Valid() || c.Hint() != "" || !strings.HasPrefix(c.String(), "link error ") {
			t.Errorf("%d: %q", c, c)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, s := range linkSamples {
		f.Add(unhex(f, s.want))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for {
			fr, err := ReadFrame(r)
			if err != nil {
				return
			}
			body, err := fr.Decode()
			if err != nil {
				continue
			}
			if !bytes.Equal(ToFrame(body).Body, fr.Body) {
				t.Fatalf("%v %x is not canonical", fr.Type, fr.Body)
			}
		}
	})
}
