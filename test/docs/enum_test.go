package docs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

var parens = regexp.MustCompile(`\([^)]*\)`)

// listed reads "1 so, 2 au (white)" as numbers and names; what stands behind a
// full stop or a semicolon is a remark unless it begins with a number too.
func listed(t testing.TB, cell string) map[uint8]string {
	t.Helper()
	out := map[uint8]string{}
	cell = parens.ReplaceAllString(bare(cell), "")
	for _, part := range regexp.MustCompile(`[,;.] `).Split(cell, -1) {
		m := regexp.MustCompile(`^(\d+) ([a-zA-Z][^:]*)`).FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			continue
		}
		n, err := strconv.ParseUint(m[1], 10, 8)
		if err != nil {
			t.Fatal(err)
		}
		out[uint8(n)] = strings.TrimSpace(m[2])
	}
	return out
}

// same compares a list with an enumeration, both ways.
func same[T interface {
	~uint8
	fmt.Stringer
}](t *testing.T, what string, got map[uint8]string, valid func(T) bool) {
	t.Helper()
	word := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(s), "-", " "), "the ", "")
	}
	n := 0
	for v := 0; v <= 255; v++ {
		name, ok := got[uint8(v)]
		if !valid(T(v)) {
			if ok && name != "is a blank key" {
				t.Errorf("%s: %d %q is no value of the code's", what, v, name)
			}
			continue
		}
		n++
		if word(name) != word(T(v).String()) {
			t.Errorf("%s: %d is %q in the text and %q in the code", what, v, name, T(v).String())
		}
	}
	if n == 0 {
		t.Errorf("%s: no values", what)
	}
}

func TestEnumerations(t *testing.T) {
	spec := load(t, "docs/SPEC.md")
	ids := spec.section(t, "Identifiers and enumerations").table(t, "name", "size", "values")
	seen := 0
	for _, r := range ids.rows {
		seen++
		switch r[0] {
		case "Role":
			same(t, r[0], listed(t, r[2]), protocol.Role.Valid)
		case "KeyType":
			same(t, r[0], listed(t, r[2]), protocol.KeyType.Valid)
			for k := protocol.KeySO; k <= protocol.KeyAudit; k++ {
				if !strings.Contains(r[2], fmt.Sprintf("%d %v (%s)", k, k, k.Colour())) {
					t.Errorf("KeyType: %d %v (%s) is missing", k, k, k.Colour())
				}
			}
		case "Op":
			same(t, r[0], listed(t, r[2]), protocol.Op.Valid)
		case "PEDMode":
			same(t, r[0], listed(t, r[2]), protocol.PEDMode.Valid)
		case "CeremonyID":
			wantSize(t, r, len(protocol.CeremonyID{}))
		case "SetID":
			wantSize(t, r, len(protocol.SetID{}))
		case "KeySerial":
			wantSize(t, r, len(protocol.KeySerial{}))
		default:
			t.Errorf("nobody checks %s", r[0])
		}
	}
	if seen != 7 {
		t.Errorf("%d rows", seen)
	}

	// Which role has which keys is said in words, and in the role table.
	for _, r := range spec.section(t, "Roles").table(t, "role", "KeyType").rows {
		if role, ok := protocol.ParseRole(r[0]); !ok || role.KeyType().String() != r[1] || role.LogsIn() == (r[2] == "nobody logs in") {
			t.Errorf("role %s: keys %s, logins %s", r[0], r[1], r[2])
		}
	}
	for _, r := range spec.section(t, "Modes").table(t, "value", "mode").rows {
		if n, err := strconv.Atoi(r[0]); err != nil || channel.Mode(n).String() != bare(r[1]) {
			t.Errorf("channel mode %s %s", r[0], r[1])
		}
	}
	for _, r := range spec.section(t, "PED modes").table(t, "mode", "menu").rows {
		n, err := strconv.Atoi(r[3])
		if err != nil {
			t.Errorf("%v", r)
			continue
		}
		if m := protocol.PEDMode(n); m != protocol.PEDModeAdmin && m.String() != strings.ToLower(r[0]) {
			t.Errorf("PED mode %d is %v, not %s", n, m, r[0])
		}
	}
}

func wantSize(t *testing.T, row []string, n int) {
	t.Helper()
	if row[1] != strconv.Itoa(n) {
		t.Errorf("%s has %s bytes in the text and %d in the code", row[0], row[1], n)
	}
}

func TestChannelTypes(t *testing.T) {
	tab := load(t, "docs/SPEC.md").section(t, "Messages").table(t, "type", "name", "from", "form")
	seen := map[channel.Type]bool{}
	for _, r := range tab.rows {
		n := number(t, r[0])
		if channel.Type(n).String() != r[1] {
			t.Errorf("type %s is %q in the text and %q in the code", r[0], r[1], channel.Type(n))
		}
		seen[channel.Type(n)] = true
	}
	for v := range 256 {
		if typ := channel.Type(v); !strings.HasPrefix(typ.String(), "type ") && !seen[typ] {
			t.Errorf("the text has no type %v", typ)
		}
	}
}

func TestLinkTables(t *testing.T) {
	s := load(t, "docs/SPEC.md").section(t, "The link")
	rows := s.table(t, "type", "frame", "from", "body", "length").rows
	for i, r := range rows {
		typ := protocol.FrameType(number(t, r[0]))
		if int(typ) != i+1 || typ.String() != r[1] {
			t.Errorf("frame %s is %q in the text and %q in the code", r[0], r[1], typ)
		}
		most := int(number(t, strings.TrimPrefix(r[4], "≤ ")))
		if err := protocol.WriteFrame(discard{}, protocol.Frame{Type: typ, Body: make([]byte, most)}); err != nil {
			t.Errorf("%v: a body of %d is refused", typ, most)
		}
		if err := protocol.WriteFrame(discard{}, protocol.Frame{Type: typ, Body: make([]byte, most+1)}); err == nil {
			t.Errorf("%v: a body of %d is taken", typ, most+1)
		}
	}
	if protocol.FrameType(len(rows) + 1).Valid() {
		t.Error("the code has more frame types than the text")
	}
	codes := s.table(t, "code", "meaning", "remedy").rows
	for i, r := range codes {
		if c := protocol.LinkErr(number(t, r[0])); int(c) != i+1 || !c.Valid() {
			t.Errorf("link error %s", r[0])
		}
	}
	if protocol.LinkErr(len(codes) + 1).Valid() {
		t.Error("the code has more link errors than the text")
	}
	for _, tab := range s.tables() {
		if tab.bold == "PED-EVENT" {
			same(t, "PED-EVENT kind", listed(t, tab.rows[0][2]), protocol.EventKind.Valid)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// number reads "0x8000002e", "16 508" and "4".
func number(t testing.TB, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.ReplaceAll(bare(s), " ", ""), 0, 64)
	if err != nil {
		t.Fatalf("%q is no number", s)
	}
	return n
}

func TestUSBFrames(t *testing.T) {
	s := load(t, "docs/SPEC.md").section(t, "The USB framing")
	source := read(t, "usbped/frame.go")
	rows := s.table(t, "type", "frame", "from", "payload", "length").rows
	for _, r := range rows {
		m := regexp.MustCompile(`(\w+):\s*\{"` + r[1] + `", (\d+), `).FindStringSubmatch(source)
		if m == nil {
			t.Errorf("the code has no frame %s", r[1])
			continue
		}
		if !regexp.MustCompile(m[1] + `\s+frameType = ` + r[0] + `\n`).MatchString(source) {
			t.Errorf("frame %s is not %s in the code", r[1], r[0])
		}
		if least, _, _ := strings.Cut(r[4], "–"); least != m[2] {
			t.Errorf("frame %s has at least %s in the text and %s in the code", r[1], least, m[2])
		}
	}
	if n := len(regexp.MustCompile(`(?m)^\ttype\w+\s+frameType = `).FindAllString(source, -1)); n != len(rows) {
		t.Errorf("%d frames in the text, %d in the code", len(rows), n)
	}
}

func TestHSMSocketTables(t *testing.T) {
	s := load(t, "docs/SPEC.md").section(t, "The HSM socket")
	for i, r := range s.table(t, "type", "message").rows {
		if typ := hsmapi.Type(number(t, r[0])); int(typ) != i+1 || typ.String() != strings.ToLower(r[1]) {
			t.Errorf("message %s is %q in the text and %q in the code", r[0], r[1], typ)
		}
	}
	commands := s.table(t, "command", "").rows
	for i, r := range commands {
		if c := hsmapi.Command(number(t, r[0])); int(c) != i+1 || c.String() != r[1] {
			t.Errorf("command %s is %q in the text and %q in the code", r[0], r[1], c)
		}
	}
	if c := hsmapi.Command(len(commands) + 1); !strings.HasPrefix(c.String(), "command ") {
		t.Errorf("the text has no command %v", c)
	}

	codes := map[hsmapi.Code]bool{}
	for _, r := range s.table(t, "code", "name").rows {
		c := hsmapi.Code(number(t, r[0]))
		codes[c] = true
		if c.Name() != r[1] {
			t.Errorf("code %s is %q in the text and %q in the code", r[0], r[1], c.Name())
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\t(CKR_\w+)\s+Code = (0x[0-9a-f]+)`).FindAllStringSubmatch(read(t, "protocol/hsmapi/code.go"), -1) {
		if !codes[hsmapi.Code(number(t, m[2]))] {
			t.Errorf("the text has no %s", m[1])
		}
	}
}

// TestHSMSocketTags tries each tag's kind, cap and repetition on the codec.
func TestHSMSocketTags(t *testing.T) {
	rows := load(t, "docs/SPEC.md").section(t, "The HSM socket").table(t, "tag", "name", "kind", "cap", "repeats").rows
	encodes := func(tag hsmapi.Tag, values ...[]byte) bool {
		m := hsmapi.Message{Type: hsmapi.Request, ID: 1}
		for _, v := range values {
			m.Fields = append(m.Fields, hsmapi.Field{Tag: tag, Value: v})
		}
		_, err := m.Encode()
		return err == nil
	}
	for i, r := range rows {
		tag := hsmapi.Tag(number(t, r[0]))
		if int(tag) != i+1 || tag.String() != r[1] {
			t.Errorf("tag %s is %q in the text and %q in the code", r[0], r[1], tag)
			continue
		}
		var good, bad [][]byte
		ones := func(n uint64) []byte { return []byte(strings.Repeat("\x01", int(n))) }
		letters := func(n uint64) []byte { return []byte(strings.Repeat("A", int(n))) }
		switch r[2] {
		case "text":
			good, bad = [][]byte{{}, letters(number(t, r[3]))}, [][]byte{letters(number(t, r[3]) + 1), {0x1f}}
		case "secret":
			good, bad = [][]byte{ones(number(t, r[3]))}, [][]byte{ones(number(t, r[3]) + 1)}
		case "bool":
			good, bad = [][]byte{{0}, {1}}, [][]byte{{2}, {0, 0}}
		case "u8", "u16", "u32", "u64":
			n := number(t, r[2][1:]) / 8
			good, bad = [][]byte{[]byte(strings.Repeat("\xff", int(n)))}, [][]byte{ones(n - 1), ones(n + 1)}
		default:
			t.Errorf("%v: kind %q", tag, r[2])
			continue
		}
		for _, v := range good {
			if !encodes(tag, v) {
				t.Errorf("%v: a %s of %d bytes is refused", tag, r[2], len(v))
			}
		}
		for _, v := range bad {
			if encodes(tag, v) {
				t.Errorf("%v: %x is taken as %s", tag, v, r[2])
			}
		}
		if encodes(tag, good[0], good[0]) != (r[4] == "yes") {
			t.Errorf("%v: repeats %q", tag, r[4])
		}
		switch r[1] {
		case "state":
			wantNames(t, r, func(n uint8) string { return hsmapi.State(n).String() })
		case "prompt", "event": // described, not named
			if n := len(listed(t, r[5])); n != map[string]int{"prompt": 2, "event": 5}[r[1]] {
				t.Errorf("%v: %d values", tag, n)
			}
		}
	}
	if extra := hsmapi.Tag(len(rows) + 1); !strings.HasPrefix(extra.String(), "tag ") {
		t.Errorf("the text has no tag %v", extra)
	}
}

func wantNames(t *testing.T, row []string, name func(uint8) string) {
	t.Helper()
	values := listed(t, row[5])
	for n, v := range values {
		if name(n) != v {
			t.Errorf("%s %d is %q in the text and %q in the code", row[1], n, v, name(n))
		}
	}
	if next := name(uint8(len(values) + 1)); !strings.Contains(next, " ") {
		t.Errorf("%s: the text has no %q", row[1], next)
	}
}
