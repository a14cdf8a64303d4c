package docs

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"hash/crc32"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/cloudflare/circl/group"

	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/protocol/kas"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(bare(s), " ", ""))
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

func TestMessageExamples(t *testing.T) {
	rows := load(t, "docs/SPEC.md").section(t, "Flows").table(t, "message", "bytes").rows
	for _, r := range rows {
		m, err := protocol.DecodeMessage(unhex(t, r[1]))
		if err != nil {
			t.Errorf("%s: %v", r[0], err)
			continue
		}
		if name, _, _ := strings.Cut(r[0], "("); m.Type().String() != name {
			t.Errorf("%s: is a %v", r[0], m.Type())
		}
	}
}

// hexRun is an example in running text.
var hexRun = regexp.MustCompile("`([0-9a-f]{2}[0-9a-f ]{6,})`")

// lastExamples returns the examples of the section's last paragraph.
func lastExamples(t *testing.T, s section, want int) [][]byte {
	t.Helper()
	i := strings.LastIndex(s.text, "\nExamples: ")
	if i < 0 {
		t.Fatalf("section %q has no examples", s.title)
	}
	var out [][]byte
	for _, m := range hexRun.FindAllStringSubmatch(s.text[i:], -1) {
		out = append(out, unhex(t, m[1]))
	}
	if len(out) != want {
		t.Fatalf("section %q: %d examples, not %d", s.title, len(out), want)
	}
	return out
}

func TestLinkExamples(t *testing.T) {
	want := []protocol.Body{
		protocol.Hello{MinVersion: 1, MaxVersion: 1, Software: "t/1"},
		protocol.Acquire{HSMSerial: "532018"},
		protocol.PEDEvent{Kind: protocol.EvtProven, Mode: protocol.PEDModePair, Busy: true, RPKs: []protocol.KeySerial{aKey}},
		protocol.Busy{Since: 61, Holder: "hsm-2"},
		protocol.Probed{Connected: true, Serial: "SP01", Firmware: "2.9.0", Software: true, Mode: protocol.PEDModeRemote},
		protocol.Error{Code: protocol.LinkErrTooSlow},
	}
	for i, b := range lastExamples(t, load(t, "docs/SPEC.md").section(t, "The link"), len(want)) {
		var out bytes.Buffer
		if err := protocol.WriteBody(&out, want[i]); err != nil || !bytes.Equal(out.Bytes(), b) {
			t.Errorf("%v: %x in the code, %v", want[i].FrameType(), out.Bytes(), err)
		}
	}
}

func TestHSMSocketExamples(t *testing.T) {
	for _, b := range lastExamples(t, load(t, "docs/SPEC.md").section(t, "The HSM socket"), 3) {
		m, err := hsmapi.NewConn(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(b), io.Discard}).Recv()
		if err != nil {
			t.Errorf("%x: %v", b, err)
			continue
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x: encodes as %x, %v", b, again, err)
		}
	}
}

func TestUSBExamples(t *testing.T) {
	for _, r := range load(t, "docs/SPEC.md").section(t, "The USB framing").table(t, "frame", "bytes").rows {
		b := unhex(t, r[1])
		if n := 16 + int(b[11]); n%64 == 0 {
			if len(b) != n+1 || b[n] != 0 {
				t.Errorf("%s has no pad", r[0])
			}
			b = b[:n]
		}
		sum := crc32.Checksum(append(bytes.Clone(b[:12]), b[16:]...), crc32.MakeTable(crc32.Castagnoli))
		if !bytes.Equal(b[12:16], []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}) {
			t.Errorf("%s: crc is %08x", r[0], sum)
		}
		if n := len(b) - 16; b[11] != byte(n) {
			t.Errorf("%s: length is %d", r[0], n)
		}
	}
}

// byteRun is "00 01 … 1f", as examples write keys.
func byteRun(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestPrimitiveExamples(t *testing.T) {
	spec := load(t, "docs/SPEC.md")
	for _, r := range spec.section(t, "Key wrapping").table(t, "plaintext (ASCII)", "wrapped").rows {
		got, err := kas.WrapKWP(byteRun(32), []byte(bare(r[0])))
		if err != nil || !bytes.Equal(got, unhex(t, r[1])) {
			t.Errorf("KWP of %s: %x, %v", r[0], got, err)
		}
	}
	okm, err := kas.OneStepKDF(sha512.New, bytes.Repeat([]byte{0x5a}, 66), []byte("openped"), 80)
	if err != nil || !strings.Contains(spec.section(t, "Key derivation").text, "`"+hex.EncodeToString(okm)+"`") {
		t.Errorf("KDF example: %x, %v", okm, err)
	}
	tag := kas.HMACSHA512(byteRun(32), kas.MacData(kas.LabelKC2V, []byte{1}, []byte{2}, []byte{3}, []byte{4}, []byte{5}))
	if !strings.Contains(spec.section(t, "Key confirmation").text, "`"+hex.EncodeToString(tag)+"`") {
		t.Errorf("key confirmation example: %x", tag)
	}
}

// TestCPaceExample works the example out by the section's formulas.
func TestCPaceExample(t *testing.T) {
	s := load(t, "docs/SPEC.md").section(t, "CPace profile")
	name := map[string]string{}
	for _, r := range s.table(t, "name", "value").rows {
		name[r[0]] = bare(strings.TrimPrefix(r[1], "ASCII "))
	}
	want := map[string][]byte{}
	for _, tab := range s.tables() {
		if tab.header[0] == "" {
			for _, r := range tab.rows {
				want[r[0]] = unhex(t, r[1])
			}
		}
	}
	scalar := func(which string) group.Scalar {
		m := regexp.MustCompile(which + " = `([0-9a-f]{64})`").FindStringSubmatch(s.text)
		if m == nil {
			t.Fatalf("no %s", which)
		}
		y := group.Ristretto255.NewScalar()
		if err := y.UnmarshalBinary(unhex(t, m[1])); err != nil {
			t.Fatal(err)
		}
		return y
	}
	lvCat := func(parts ...[]byte) (out []byte) {
		for _, p := range parts {
			if len(p) > 127 {
				t.Fatal("longer than one byte of LEB128 says")
			}
			out = append(append(out, byte(len(p))), p...)
		}
		return out
	}
	password, sid := []byte("12345678"), bytes.Repeat([]byte{0x11}, 64)
	zpad := make([]byte, 128-1-(1+len(password))-(1+len(name["DSI"])))
	g := group.Ristretto255.HashToElement(lvCat([]byte(name["DSI"]), password, zpad, []byte(name["CI"]), sid), []byte(name["DST"]))
	mul := func(e group.Element, y group.Scalar) (group.Element, []byte) {
		p := group.Ristretto255.NewElement().Mul(e, y)
		b, err := p.MarshalBinaryCompress()
		if err != nil {
			t.Fatal(err)
		}
		return p, b
	}
	one := group.Ristretto255.NewScalar().SetUint64(1)
	_, encoded := mul(g, one)
	a, ya := mul(g, scalar("ya"))
	b, yb := mul(g, scalar("yb"))
	_, k := mul(a, scalar("yb"))
	_, k2 := mul(b, scalar("ya"))
	key := sha512.Sum512(bytes.Join([][]byte{lvCat([]byte(name["DSI_ISK"]), sid, k), lvCat(ya, nil), lvCat(yb, nil)}, nil))
	for what, got := range map[string][]byte{"g": encoded, "Ya": ya, "Yb": yb, "K": k, "key": key[:]} {
		if !bytes.Equal(got, want[what]) {
			t.Errorf("%s is %x", what, got)
		}
	}
	if !bytes.Equal(k, k2) {
		t.Error("the two sides do not agree")
	}
}
