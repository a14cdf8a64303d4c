package protocol

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"openped/internal/wire"
)

var (
	tCer  = CeremonyID{1, 2, 3, 15: 16}
	tSet  = SetID{0xaa, 15: 0xab}
	tPend = SetID{0xba, 15: 0xbb}
	tKey  = KeySerial{0xc1, 7: 0xc8}
)

const (
	hCer  = "01020300000000000000000000000010"
	hSet  = "aa0000000000000000000000000000ab"
	hPend = "ba0000000000000000000000000000bb"
	hZero = "00000000000000000000000000000000"
	hKey  = "c1000000000000c8"
)

// samples holds every message with its bytes: the golden ones of SPEC.
var samples = []struct {
	m    Message
	want string
}{
	{&Authenticate{tCer, RoleSO, KeySO, 200, true}, "01" + hCer + "01" + "01" + "00c8" + "01"},
	{&Authenticate{tCer, RoleCU, KeyUser, 3600, false}, "01" + hCer + "06" + "04" + "0e10" + "00"},
	{&CreateKeyset{tCer, RoleDomain, KeyDomain, 1, true, tSet}, "02" + hCer + "07" + "02" + "0001" + "01" + hSet},
	{&CreateKeyset{tCer, RoleRPV, KeyRPK, 200, false, SetID{}}, "02" + hCer + "08" + "03" + "00c8" + "00" + hZero},
	{&Confirm{tCer, PromptEraseHSM, 200}, "03" + hCer + "01" + "00c8"},
	{&Info{}, "04"},
	{&UseSet{tCer, UsePending, ReasonNone}, "05" + hCer + "02" + "00"},
	{&UseSet{tCer, UseRefuse, ReasonSameKey}, "05" + hCer + "03" + "01"},
	{&ShareResult{tCer, ShareMore, 1, 3}, "06" + hCer + "01" + "01" + "03"},
	{&WriteShare{tCer, 0, 1, 2, 3, tSet, []byte{9, 8}, nil, nil}, "07" + hCer + "00" + "010203" + hSet + "00020908" + "0000" + "0000"},
	{&WriteShare{tCer, 1, 16, 16, 16, tSet, []byte{9}, []byte{7}, []byte{6, 5}}, "07" + hCer + "01" + "101010" + hSet + "000109" + "000107" + "00020605"},
	{&Committed{tCer, tSet}, "08" + hCer + hSet},
	{&Committed{tCer, SetID{}}, "08" + hCer + hZero},
	{&Grant{tCer, []byte{0x30}}, "09" + hCer + "000130"},
	{&End{tCer, EndFailed}, "0a" + hCer + "02"},
	{&InfoReply{"SP01", "2.9.0", []KeySerial{tKey}}, "81" + "0453503031" + "05322e392e30" + "01" + hKey},
	{&InfoReply{}, "81" + "00" + "00" + "00"},
	{&KeyPresented{tCer, tKey, tSet, SetID{}, 1, 1, 1, nil}, "82" + hCer + hKey + hSet + hZero + "010101" + "0000"},
	{&KeyPresented{tCer, tKey, tSet, tPend, 2, 2, 3, []byte{0x30, 1}}, "82" + hCer + hKey + hSet + hPend + "020203" + "00023001"},
	{&Share{tCer, tKey, tSet, 3, 2, 3, []byte{5}}, "83" + hCer + hKey + hSet + "030203" + "000105"},
	{&KeysetChoice{tCer, false, 2, 3}, "84" + hCer + "00" + "0203"},
	{&KeysetChoice{tCer, true, 0, 0}, "84" + hCer + "01" + "0000"},
	{&ShareWritten{tCer, 1, 2, tKey}, "85" + hCer + "0102" + hKey},
	{&DuplicateChoice{tCer, true}, "86" + hCer + "01"},
	{&Confirmed{tCer, false}, "87" + hCer + "00"},
	{&ReusedRPV{tCer, tSet, 2, 3, []byte{1, 2, 3}}, "88" + hCer + hSet + "0203" + "0003010203"},
	{&Cancel{tCer, CancelKeyFault}, "7e" + hCer + "05"},
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMessagesGolden(t *testing.T) {
	seen := map[MsgType]bool{}
	for _, s := range samples {
		b := EncodeMessage(s.m)
		if hex.EncodeToString(b) != s.want {
			t.Errorf("%v: %x, want %s", s.m.Type(), b, s.want)
		}
		m, err := DecodeMessage(unhex(t, s.want))
		if err != nil || !reflect.DeepEqual(m, s.m) {
			t.Errorf("%v: decoded %+v, %v, want %+v", s.m.Type(), m, err, s.m)
		}
		if _, none := s.m.(*Info); !none && s.m.Type() != MsgInfoReply && CeremonyOf(m) != tCer {
			t.Errorf("%v: ceremony %v", s.m.Type(), CeremonyOf(m))
		}
		seen[s.m.Type()] = true
	}
	for mt, d := range msgTypes {
		if !seen[mt] || d.make().Type() != mt || mt.String() != d.name || strings.Contains(mt.String(), "0x") {
			t.Errorf("%v: not sampled or misnamed", mt)
		}
	}
}

// Cutting a message anywhere, or adding to it, makes it no message. Changing a
// byte either makes it none, or another one that encodes to those very bytes.
func TestMessagesTampered(t *testing.T) {
	for _, s := range samples {
		b := unhex(t, s.want)
		for n := range b {
			if _, err := DecodeMessage(b[:n]); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("%v cut to %d: %v", s.m.Type(), n, err)
			}
		}
		if _, err := DecodeMessage(append(b[:len(b):len(b)], 0)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%v with a trailing byte: %v", s.m.Type(), err)
		}
		for i := range b {
			for _, x := range []byte{1, 0x80, 0xff} {
				c := bytes.Clone(b)
				c[i] ^= x
				m, err := DecodeMessage(c)
				if err == nil && !bytes.Equal(EncodeMessage(m), c) {
					t.Errorf("%v: byte %d ^ %x is not canonical", s.m.Type(), i, x)
				}
				if err == nil && reflect.DeepEqual(m, s.m) {
					t.Errorf("%v: byte %d ^ %x changed nothing", s.m.Type(), i, x)
				}
			}
		}
	}
}

// TestRoleAndKeyType: a role's operation takes that role's keys only, and nobody
// logs in with red or orange keys. Otherwise an HSM could have the PED read an
// RPV's share as one of a login.
func TestRoleAndKeyType(t *testing.T) {
	table := map[Role]KeyType{RoleSO: KeySO, RoleAU: KeyAudit, RolePO: KeySO, RoleCO: KeyUser, RoleLCO: KeyUser, RoleCU: KeyUser,
		RoleDomain: KeyDomain, RoleRPV: KeyRPK}
	for r := range Role(11) {
		if r.KeyType() != table[r] {
			t.Errorf("%v: %v keys, want %v", r, r.KeyType(), table[r])
		}
		for k := range KeyType(8) {
			pair := r.Valid() && table[r] == k
			for m, want := range map[Message]bool{
				&Authenticate{tCer, r, k, 60, false}:            pair && r <= RoleCU,
				&CreateKeyset{tCer, r, k, 60, false, SetID{}}:   pair,
				&CreateKeyset{tCer, r, k, 3600, true, SetID{1}}: pair,
			} {
				if _, err := DecodeMessage(encodeAny(m)); (err == nil) != want {
					t.Errorf("%v of %v with %v keys: %v", m.Type(), r, k, err)
				}
			}
		}
	}
}

func TestMessagesRefused(t *testing.T) {
	no := CeremonyID{}
	big := func(n int) []byte { return make([]byte, n) }
	for name, m := range map[string]Message{
		"authenticate without ceremony": &Authenticate{no, RoleSO, KeySO, 200, false},
		"role 0":                        &Authenticate{tCer, 0, KeySO, 200, false},
		"role 9":                        &Authenticate{tCer, 9, KeySO, 200, false},
		"blank key":                     &Authenticate{tCer, RoleSO, 0, 200, false},
		"key type 6":                    &Authenticate{tCer, RoleSO, 6, 200, false},
		"timeout 0":                     &Authenticate{tCer, RoleSO, KeySO, 0, false},
		"timeout 3601":                  &Authenticate{tCer, RoleSO, KeySO, 3601, false},
		"create without ceremony":       &CreateKeyset{no, RoleSO, KeySO, 200, false, SetID{}},
		"orange for so":                 &CreateKeyset{tCer, RoleSO, KeyRPK, 200, false, SetID{}},
		"rpv on blue":                   &CreateKeyset{tCer, RoleRPV, KeySO, 200, false, SetID{}},
		"prompt 0":                      &Confirm{tCer, 0, 200},
		"prompt 2":                      &Confirm{tCer, 2, 200},
		"use 0":                         &UseSet{tCer, 0, 0},
		"use 4":                         &UseSet{tCer, 4, 0},
		"reason 3":                      &UseSet{tCer, UseRefuse, 3},
		"status 0":                      &ShareResult{tCer, 0, 0, 1},
		"status 6":                      &ShareResult{tCer, 6, 0, 1},
		"have over need":                &ShareResult{tCer, ShareMore, 3, 2},
		"need 17":                       &ShareResult{tCer, ShareMore, 1, 17},
		"write index 0":                 &WriteShare{tCer, 0, 0, 1, 1, tSet, []byte{1}, nil, nil},
		"write index over n":            &WriteShare{tCer, 0, 3, 1, 2, tSet, []byte{1}, nil, nil},
		"write m 0":                     &WriteShare{tCer, 0, 1, 0, 2, tSet, []byte{1}, nil, nil},
		"write m over n":                &WriteShare{tCer, 0, 1, 3, 2, tSet, []byte{1}, nil, nil},
		"write n 17":                    &WriteShare{tCer, 0, 1, 1, 17, tSet, []byte{1}, nil, nil},
		"write no set":                  &WriteShare{tCer, 0, 1, 1, 1, SetID{}, []byte{1}, nil, nil},
		"write no secret":               &WriteShare{tCer, 0, 1, 1, 1, tSet, nil, nil, nil},
		"write rpk without cert":        &WriteShare{tCer, 0, 1, 1, 1, tSet, []byte{1}, []byte{1}, nil},
		"write cert without rpk":        &WriteShare{tCer, 0, 1, 1, 1, tSet, []byte{1}, nil, []byte{1}},
		"write secret too long":         &WriteShare{tCer, 0, 1, 1, 1, tSet, big(513), nil, nil},
		"write rpk too long":            &WriteShare{tCer, 0, 1, 1, 1, tSet, []byte{1}, big(513), []byte{1}},
		"write cert too long":           &WriteShare{tCer, 0, 1, 1, 1, tSet, []byte{1}, []byte{1}, big(2049)},
		"write secret far too long":     &WriteShare{tCer, 0, 1, 1, 1, tSet, big(1 << 17), nil, nil},
		"grant empty":                   &Grant{tCer, nil},
		"grant too long":                &Grant{tCer, big(2049)},
		"end 0":                         &End{tCer, 0},
		"end 3":                         &End{tCer, 3},
		"serial too long":               &InfoReply{Serial: strings.Repeat("x", 33)},
		"serial far too long":           &InfoReply{Serial: strings.Repeat("x", 300)},
		"serial not printable":          &InfoReply{Serial: "\x1b[2J"},
		"firmware too long":             &InfoReply{Firmware: strings.Repeat("x", 17)},
		"17 rpks":                       &InfoReply{RPKs: make([]KeySerial, 17)},
		"presented no key":              &KeyPresented{tCer, KeySerial{}, tSet, SetID{}, 1, 1, 1, nil},
		"presented no set":              &KeyPresented{tCer, tKey, SetID{}, SetID{}, 1, 1, 1, nil},
		"presented index 0":             &KeyPresented{tCer, tKey, tSet, SetID{}, 0, 1, 1, nil},
		"presented pub too long":        &KeyPresented{tCer, tKey, tSet, SetID{}, 1, 1, 1, big(257)},
		"share no key":                  &Share{tCer, KeySerial{}, tSet, 1, 1, 1, []byte{1}},
		"share no set":                  &Share{tCer, tKey, SetID{}, 1, 1, 1, []byte{1}},
		"share empty":                   &Share{tCer, tKey, tSet, 1, 1, 1, nil},
		"share too long":                &Share{tCer, tKey, tSet, 1, 1, 1, big(513)},
		"choice 0 of 0":                 &KeysetChoice{tCer, false, 0, 0},
		"choice 3 of 2":                 &KeysetChoice{tCer, false, 3, 2},
		"choice reuse 1 of 1":           &KeysetChoice{tCer, true, 1, 1},
		"written index 0":               &ShareWritten{tCer, 0, 0, tKey},
		"written index 17":              &ShareWritten{tCer, 0, 17, tKey},
		"written no key":                &ShareWritten{tCer, 0, 1, KeySerial{}},
		"rpv no set":                    &ReusedRPV{tCer, SetID{}, 1, 1, []byte{1}},
		"rpv 2 of 1":                    &ReusedRPV{tCer, tSet, 2, 1, []byte{1}},
		"rpv empty":                     &ReusedRPV{tCer, tSet, 1, 1, nil},
		"rpv too long":                  &ReusedRPV{tCer, tSet, 1, 1, big(513)},
		"cancel 0":                      &Cancel{tCer, 0},
		"cancel 8":                      &Cancel{tCer, 8},
		"cancel without ceremony":       &Cancel{no, CancelOperator},
		"confirmed without ceremony":    &Confirmed{no, true},
		"duplicate without ceremony":    &DuplicateChoice{no, true},
	} {
		if err := CheckMessage(m); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: CheckMessage gives %v", name, err)
		}
		if fits(m) {
			if _, err := DecodeMessage(encodeAny(m)); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("%s: decoded with %v", name, err)
			}
		}
		func() {
			defer func() { _ = recover() }()
			EncodeMessage(m)
			t.Errorf("%s: EncodeMessage did not panic", name)
		}()
	}
	for name, s := range map[string]string{
		"empty":         "",
		"type 0":        "00",
		"type 0x0b":     "0b" + hCer,
		"type 0x80":     "80" + hCer,
		"type 0x89":     "89" + hCer,
		"bool 2":        "86" + hCer + "02",
		"17 rpks":       "81" + "00" + "00" + "11" + strings.Repeat(hKey, 17),
		"rpks cut":      "81" + "00" + "00" + "02" + hKey,
		"rpk cert 2049": "09" + hCer + "0801" + strings.Repeat("00", 2049),
		"over all caps": "09" + strings.Repeat("00", MaxMessage),
	} {
		if _, err := DecodeMessage(unhex(t, s)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMessagesAtTheirCaps(t *testing.T) {
	for _, m := range []Message{
		&WriteShare{tCer, 255, 16, 16, 16, tSet, make([]byte, 512), make([]byte, 512), make([]byte, 2048)},
		&Grant{tCer, make([]byte, 2048)},
		&InfoReply{strings.Repeat("x", 32), strings.Repeat("~", 16), make([]KeySerial, 16)},
		&KeyPresented{tCer, tKey, tSet, tPend, 16, 16, 16, make([]byte, 256)},
		&ShareResult{tCer, ShareDone, 16, 16},
	} {
		b := EncodeMessage(m)
		got, err := DecodeMessage(b)
		if err != nil || !reflect.DeepEqual(got, m) || len(b) > MaxMessage {
			t.Errorf("%v: %v", m.Type(), err)
		}
	}
}

// A decoded message must not change when the buffer it came from is used again.
func TestMessageBytesAreCopies(t *testing.T) {
	b := EncodeMessage(&Grant{tCer, []byte{1, 2, 3}})
	m, err := DecodeMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if g := m.(*Grant); !bytes.Equal(g.RPKCert, []byte{1, 2, 3}) || g.Ceremony != tCer {
		t.Error("the message aliases its input")
	}
}

func TestDirections(t *testing.T) {
	for mt := range msgTypes {
		ped, hsm := mt.FromPED(), mt.FromHSM()
		if mt == MsgCancel && !(ped && hsm) || mt != MsgCancel && (ped == hsm || ped != (mt >= 0x80)) {
			t.Errorf("%v: from PED %v, from HSM %v", mt, ped, hsm)
		}
	}
}

func FuzzDecodeMessage(f *testing.F) {
	for _, s := range samples {
		f.Add(unhex(f, s.want))
	}
	f.Add([]byte{0x09, 1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			return
		}
		if got := EncodeMessage(m); !bytes.Equal(got, b) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", b, m, got)
		}
	})
}
