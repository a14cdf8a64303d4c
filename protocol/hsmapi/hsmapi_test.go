package hsmapi

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"openped/internal/secret"
	"openped/internal/wire"
)

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func password() *secret.Buffer { return secret.From([]byte("18246843")) }

var samples = []struct {
	m    Message
	want string // with the length in front
}{
	{Message{Request, 1, Fields{}.AddU16(TagCommand, uint16(SlotList))}, "0000000c 01 01 00000001 0001 0002 0001"},
	{Message{Request, 7, Fields{}.AddU16(TagCommand, uint16(PedConnect)).AddU32(TagSlot, 1).AddText(TagHost, "10.0.0.5").AddU32(TagPort, 1503).AddSecret(TagPassword, password())},
		"0000 0034 01 01 00000007 0001 0002 0003 0002 0004 00000001 0006 0008 31302e302e302e35 0007 0004 000005df 0008 0008 3138323436383433"},
	{Message{Progress, 7, Fields{}.AddU8(TagEvent, uint8(EventAttend))}, "0000000b 01 02 00000007 001c 0001 01"},
	{Message{Prompt, 7, Fields{}.AddU8(TagPromptID, uint8(PromptEraseHSM))}, "0000000b 01 03 00000007 0013 0001 02"},
	{Message{Answer, 7, Fields{}.AddU8(TagPromptID, 2).AddBool(TagYes, true)}, "00000010 01 04 00000007 0013 0001 02 0014 0001 01"},
	{Message{Cancel, 7, nil}, "00000006 01 05 00000007"},
	{Message{Result, 7, Fields{}.AddU32(TagCode, uint32(CKR_PED_UNPLUGGED)).AddText(TagHint, "x")}, "00000013 01 06 00000007 000d 0004 8000002e 000e 0001 78"},
	{Message{Result, 0xffffffff, Fields{}.AddU32(TagCode, 0).AddU64(TagCount, 1<<40).AddText(TagText, "a").AddText(TagText, "")}, "00000023 01 06 ffffffff 000d 0004 00000000 0010 0008 0000010000000000 000c 0001 61 000c 0000"},
}

type stream struct {
	io.Reader
	io.Writer
}

func TestGolden(t *testing.T) {
	var all bytes.Buffer
	c := NewConn(&all)
	for _, s := range samples {
		if err := c.Send(s.m); err != nil {
			t.Fatal(err)
		}
		b, err := s.m.Encode()
		if err != nil || !bytes.Equal(b, unhex(t, s.want)) {
			t.Errorf("%v: %x, %v, want %s", s.m.Type, b, err, s.want)
		}
	}
	for _, s := range samples {
		m, err := c.Recv()
		if err != nil || !reflect.DeepEqual(m, s.m) {
			t.Errorf("got %v, %v, want %v", m, err, s.m)
		}
	}
	if _, err := c.Recv(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestTampered(t *testing.T) {
	recv := func(b []byte) (Message, error) { return NewConn(stream{bytes.NewReader(b), nil}).Recv() }
	for _, s := range samples {
		b := unhex(t, s.want)
		for n := range b {
			if _, err := recv(b[:n]); err != io.ErrUnexpectedEOF && (n != 0 || err != io.EOF) {
				t.Errorf("%v cut to %d: %v", s.m.Type, n, err)
			}
		}
		for i := range b {
			for _, x := range []byte{1, 0x80, 0xff} {
				c := bytes.Clone(b)
				c[i] ^= x
				m, err := recv(c)
				if err == nil && reflect.DeepEqual(m, s.m) {
					t.Errorf("%v: byte %d ^ %x changed nothing", s.m.Type, i, x)
				}
			}
		}
	}
}

func TestRefused(t *testing.T) {
	head := "01 01 00000001 "
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"empty":               {"", wire.ErrMalformed},
		"version 0":           {"00 01 00000001", ErrVersion},
		"version 2":           {"02 01 00000001", ErrVersion},
		"type 0":              {"01 00 00000001", wire.ErrMalformed},
		"type 7":              {"01 07 00000001", wire.ErrMalformed},
		"id 0":                {"01 01 00000000", wire.ErrMalformed},
		"half a tag":          {head + "00", wire.ErrMalformed},
		"no value":            {head + "0001 0002", wire.ErrMalformed},
		"u16 of 3":            {head + "0001 0003 000001", wire.ErrMalformed},
		"u32 of 0":            {head + "0002 0000", wire.ErrMalformed},
		"u64 of 4":            {head + "0010 0004 00000000", wire.ErrMalformed},
		"bool 2":              {head + "000b 0001 02", wire.ErrMalformed},
		"command twice":       {head + "0001 0002 0001 0001 0002 0001", wire.ErrMalformed},
		"password twice":      {head + "0008 0001 31 0008 0001 31", wire.ErrMalformed},
		"password of 65":      {head + "0008 0041" + strings.Repeat("31", 65), wire.ErrMalformed},
		"label of 33":         {head + "0003 0021" + strings.Repeat("41", 33), wire.ErrMalformed},
		"text with an escape": {head + "000c 0001 1b", wire.ErrMalformed},
		"critical":            {head + "8021 0001 00", ErrCritical},
		"critical, malformed": {head + "8021 0001 00 0001 0001 00", wire.ErrMalformed},
		"known tag, critical": {head + "8001 0002 0001", ErrCritical},
	} {
		m, err := Decode(unhex(t, c.body))
		if err != c.want || m.Type != 0 || m.Fields != nil {
			t.Errorf("%s: %v, %v, want %v", name, m, err, c.want)
		}
	}
	for name, h := range map[string]string{"length 5": "00000005", "length 65537": "00010001", "length 4 GiB": "ffffffff"} {
		if _, err := NewConn(stream{bytes.NewReader(unhex(t, h+"0101")), nil}).Recv(); err != wire.ErrMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	var w bytes.Buffer
	many := Fields{}
	for range 70 {
		many = many.AddText(TagText, strings.Repeat("x", 1024))
	}
	for name, m := range map[string]Message{
		"type 0":       {0, 1, nil},
		"id 0":         {Cancel, 0, nil},
		"unknown tag":  {Cancel, 1, Fields{{0x7000, nil}}},
		"too long":     {Result, 1, many},
		"wrong length": {Cancel, 1, Fields{{TagSlot, []byte{1}}}},
		"twice":        {Cancel, 1, Fields{}.AddBool(TagForce, true).AddBool(TagForce, true)},
	} {
		if err := NewConn(&w).Send(m); err != wire.ErrMalformed || w.Len() != 0 {
			t.Errorf("%s: %v, %d bytes", name, err, w.Len())
		}
	}
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	m, err := Decode(unhex(t, "01 01 00000001 7fff 0003 010203 0002 0004 00000009 7fff 0000"))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := m.Fields.U32(TagSlot); !ok || v != 9 || len(m.Fields) != 1 {
		t.Errorf("%v", m)
	}
}

func TestGetters(t *testing.T) {
	f := Fields{}.AddText(TagName, "n").AddText(TagText, "one").AddText(TagText, "two").AddBool(TagForce, true).
		AddU8(TagRole, 3).AddU8(TagLoggedIn, 1).AddU8(TagLoggedIn, 2).AddU16(TagCommand, 4).AddU32(TagSlot, 5).AddU64(TagCount, 6)
	if s, ok := f.Text(TagName); !ok || s != "n" {
		t.Error(s)
	}
	if v, ok := f.U8(TagRole); !ok || v != 3 {
		t.Error(v)
	}
	if v, ok := f.U16(TagCommand); !ok || v != 4 {
		t.Error(v)
	}
	if v, ok := f.U32(TagSlot); !ok || v != 5 {
		t.Error(v)
	}
	if v, ok := f.U64(TagCount); !ok || v != 6 {
		t.Error(v)
	}
	if !f.Bool(TagForce) || f.Bool(TagYes) || !reflect.DeepEqual(f.Texts(TagText), []string{"one", "two"}) || !bytes.Equal(f.U8s(TagLoggedIn), []byte{1, 2}) {
		t.Error(f)
	}
	// A missing field, one of another kind, one built wrongly: zero and false.
	bad := Fields{{TagSlot, []byte{1}}, {TagForce, nil}}
	for _, g := range []Fields{nil, bad} {
		_, a := g.U32(TagSlot)
		_, b := g.Text(TagSlot)
		_, c := g.U8(TagRole)
		_, d := g.U16(TagCommand)
		_, e := g.U64(TagCount)
		if a || b || c || d || e || g.Bool(TagForce) || g.TakeSecret(TagPassword) != nil || g.Has(TagRole) {
			t.Errorf("%v", g)
		}
	}
	if _, ok := f.U32(TagCount); ok {
		t.Error("a u64 read as u32")
	}
}

func TestAddText(t *testing.T) {
	f := Fields{}.AddText(TagLabel, strings.Repeat("ü", 40)).AddText(TagLabel, "a\nb\x1b")
	if got := f.Texts(TagLabel); got[0] != strings.Repeat("?", 32) || got[1] != "a?b?" {
		t.Errorf("%q", got)
	}
}

func TestAddPanicsOnOtherKinds(t *testing.T) {
	for name, f := range map[string]func(){
		"text":        func() { Fields{}.AddText(TagSlot, "") },
		"password":    func() { Fields{}.AddText(TagPassword, "18246843") },
		"secret":      func() { Fields{}.AddSecret(TagText, password()) },
		"long secret": func() { Fields{}.AddSecret(TagPassword, secret.New(65)) },
		"unknown":     func() { Fields{}.AddU8(0x7000, 1) },
		"bool":        func() { Fields{}.AddBool(TagSlot, true) },
		"u16":         func() { Fields{}.AddU16(TagSlot, 1) },
		"u32":         func() { Fields{}.AddU32(TagCommand, 1) },
		"u64":         func() { Fields{}.AddU64(TagCommand, 1) },
	} {
		func() {
			defer func() { _ = recover() }()
			f()
			t.Errorf("%s: no panic", name)
		}()
	}
}

func TestGroups(t *testing.T) {
	f := Fields{}.AddU32(TagCode, 0).AddU32(TagSlot, 1).AddText(TagLabel, "a").AddU32(TagSlot, 2).AddText(TagLabel, "b").AddText(TagSerial, "s")
	g := f.Groups(TagSlot)
	if len(g) != 2 || len(g[0]) != 2 || len(g[1]) != 3 {
		t.Fatalf("%v", g)
	}
	if l, _ := g[1].Text(TagLabel); l != "b" {
		t.Error(l)
	}
	if Fields(nil).Groups(TagSlot) != nil {
		t.Error("groups of nothing")
	}
}

// No way of printing shows a secret.
func TestSecretsAreNotPrinted(t *testing.T) {
	f := Fields{}.AddU32(TagSlot, 1).AddSecret(TagPassword, password())
	m := Message{Request, 1, f}
	j, err := json.Marshal(map[string]any{"f": f, "x": f[1]})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	log.Info("x", "f", f, "m", m, "x", f[1])
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "f", f, "m", m, "x", f[1])
	out := string(j) + logged.String()
	for _, v := range []any{f, m, f[1], &m, []Message{m}, []Fields{f}} {
		out += fmt.Sprintf("%v %+v %#v %s %x %q %d\n", v, v, v, v, v, v, v)
	}
	for _, leak := range []string{"18246843", "3138323436383433", "49 56 50", "0x31"} {
		if strings.Contains(out, leak) {
			t.Errorf("printed %q in %s", leak, out)
		}
	}
	if got := f.String(); got != "slot=1 password=REDACTED" {
		t.Error(got)
	}
	if got := (Fields{{0x7001, []byte{1}}, {TagSlot, []byte{1}}}).String(); got != "tag 0x7001=(1 bytes) slot=(1 bytes)" {
		t.Error(got)
	}
}

func TestSecretsAreWiped(t *testing.T) {
	f := Fields{}.AddSecret(TagPassword, password())
	s := f.TakeSecret(TagPassword)
	defer s.Destroy()
	if string(s.Bytes()) != "18246843" || !bytes.Equal(f[0].Value, make([]byte, 8)) {
		t.Error("TakeSecret does not move")
	}
	f = Fields{}.AddText(TagText, "x").AddSecret(TagPassword, password())
	f.Wipe()
	if !bytes.Equal(f[1].Value, make([]byte, 8)) || string(f[0].Value) != "x" {
		t.Error("Wipe")
	}
}

func TestCodes(t *testing.T) {
	for c, want := range map[Code]string{
		CKR_OK: "0x0 (CKR_OK)", CKR_PED_UNPLUGGED: "0x8000002e (CKR_PED_UNPLUGGED)", CKR_PIN_INCORRECT: "0xa0 (CKR_PIN_INCORRECT)",
		CKR_PED_BUSY: "0x80010001 (CKR_PED_BUSY)", 0x80123456: "0x80123456",
	} {
		if got := c.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	names := map[string]bool{}
	for c, i := range codes {
		if names[i.name] || !strings.HasPrefix(i.name, "CKR_") || strings.Contains(i.hint, "\n") {
			t.Errorf("%v: %+v", c, i)
		}
		if c >= 0x80000000 && c != CKR_PED_UNPLUGGED && (c < 0x80010000 || c > 0x8001ffff) {
			t.Errorf("%v: not in our range", c)
		}
		if i.hint == "" && c != CKR_OK && c != CKR_CANCEL && c != CKR_USER_ALREADY_LOGGED_IN {
			t.Errorf("%v: no hint", c)
		}
		names[i.name] = true
	}
}

func TestResults(t *testing.T) {
	for _, c := range []struct {
		err  error
		want *Error
	}{
		{nil, nil},
		{&Error{CKR_PED_BUSY, "PED busy for 5 s", "wait"}, &Error{CKR_PED_BUSY, "PED busy for 5 s", "wait"}},
		{fmt.Errorf("x: %w", &Error{Code: CKR_PED_UNPLUGGED}), &Error{CKR_PED_UNPLUGGED, "", "run `ped connect`"}},
		{errors.New("a secret story"), &Error{CKR_GENERAL_ERROR, "", CKR_GENERAL_ERROR.Hint()}},
	} {
		m := ResultOf(3, Fields{}.AddU64(TagCount, 4), c.err)
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if m, err = Decode(b[4:]); err != nil || m.Type != Result || m.ID != 3 {
			t.Fatal(m, err)
		}
		got := ErrorOf(m.Fields)
		var e *Error
		if errors.As(got, &e) != (c.want != nil) || c.want != nil && *e != *c.want || m.Fields.Has(TagCount) != (c.want == nil) {
			t.Errorf("%v: %v %+v", c.err, m, e)
		}
	}
	if ErrorOf(nil) == nil {
		t.Error("a result without a code counts as success")
	}
	for e, want := range map[*Error]string{{CKR_PED_BUSY, "m", ""}: "m", {Code: CKR_PED_BUSY}: "CKR_PED_BUSY", {Code: 0x80123456}: "0x80123456"} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e, want)
		}
	}
}

func TestNames(t *testing.T) {
	for c := SlotList; c <= AuditVerify; c++ {
		if strings.HasPrefix(c.String(), "command ") {
			t.Errorf("%d has no name", c)
		}
	}
	for got, want := range map[string]string{
		Type(0).String(): "type 0", Type(9).String(): "type 9", Prompt.String(): "prompt", Command(99).String(): "command 99",
		EventCaution.String(): "caution", PromptLastAttempt.String(): "last-attempt", StateZeroized.String(): "zeroized", TagSlot.String(): "slot", Tag(0x8001).String(): "tag 0x8001",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for tag, i := range tags {
		if tag&Critical != 0 || i.name == "" || i.kind == 0 || (i.max > 0) != (i.kind == kindText || i.kind == kindSecret) {
			t.Errorf("%v: %+v", tag, i)
		}
	}
}

func FuzzHSMAPI(f *testing.F) {
	for _, s := range samples {
		f.Add(unhex(f, s.want))
	}
	f.Add(unhex(f, "0000000b 01 01 00000001 8021 0001 00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := NewConn(stream{bytes.NewReader(b), nil})
		for {
			m, err := c.Recv()
			if err == io.EOF || err == io.ErrUnexpectedEOF || err == wire.ErrMalformed {
				return
			}
			if err != nil {
				continue
			}
			enc, err := m.Encode()
			if err != nil {
				t.Fatalf("%v was received but cannot be sent: %v", m, err)
			}
			if again, err := Decode(enc[4:]); err != nil || !reflect.DeepEqual(again, m) {
				t.Fatalf("%v became %v, %v", m, again, err)
			}
			_ = m.String()
		}
	})
}
