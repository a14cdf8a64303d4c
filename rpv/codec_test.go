package rpv

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"reflect"
	"testing"

	"openped/internal/secret"
	"openped/internal/wire"
	"openped/protocol"
)

// fullKey has every field there is.
func fullKey(t testing.TB) *Key {
	t.Helper()
	k := NewBlank()
	a, _ := testSet(t, "1234", orange(t), id(1))
	b, _ := testSet(t, "", orange(t), id(2))
	if err := errors.Join(k.WritePending(a), k.Promote(a.ID), k.AddRPKCert(Fingerprint{3}, []byte("other certificate")),
		k.CheckCounter(Fingerprint{3}, 1<<40), k.CheckCounter(Fingerprint{9}, 2), k.WritePending(b)); err != nil {
		t.Fatal(err)
	}
	return k
}

func encode(t testing.TB, k *Key) []byte {
	t.Helper()
	b, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestContainerRoundTrip(t *testing.T) {
	blue, red := NewBlank(), NewBlank()
	s, _ := testSet(t, "1234")
	if err := errors.Join(blue.WritePending(s), blue.Promote(s.ID)); err != nil {
		t.Fatal(err)
	}
	s, _ = testSet(t, "", func(p *SetParams) { p.Type = protocol.KeyDomain })
	if err := red.WritePending(s); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*Key{"blank": NewBlank(), "orange": fullKey(t), "blue": blue, "pending only": red} {
		b := encode(t, k)
		got, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(encode(t, got), b) {
			t.Errorf("%s: another container", name)
		}
		if got.Serial != k.Serial || got.Type != k.Type || (got.Pending == nil) != (k.Pending == nil) {
			t.Errorf("%s: %+v", name, got)
		}
		for _, p := range [][2]*Set{{got.Current, k.Current}, {got.Pending, k.Pending}} {
			if p[0] == nil || p[1] == nil {
				continue
			}
			g, w := *p[0], *p[1]
			if w.RPK != nil && (!g.RPK.Private.Equal(w.RPK.Private) || !reflect.DeepEqual(g.RPK.Certs, w.RPK.Certs)) {
				t.Errorf("%s: RPK differs", name)
			}
			g.RPK, w.RPK = nil, nil
			if !reflect.DeepEqual(g, w) {
				t.Errorf("%s: %+v, want %+v", name, g, w)
			}
		}
		if len(b) > MaxContainer {
			t.Errorf("%s: %d bytes", name, len(b))
		}
	}
}

var update = flag.Bool("update", false, "write testdata anew")

// TestGolden: containers written by the first version stay readable, and are
// written the same way.
func TestGolden(t *testing.T) {
	const file = "testdata/v1.pedkey"
	if *update {
		k := &Key{Serial: protocol.KeySerial{1, 2, 3, 4, 5, 6, 7, 8}}
		share := secret.New(SecretSize)
		for i := range share.Bytes() {
			share.Bytes()[i] = byte(i)
		}
		s, err := NewSet(SetParams{ID: protocol.SetID{0xaa}, Type: protocol.KeySO, Index: 2, M: 2, N: 3, PIN: []byte("1234"),
			Share: share, Cost: ArgonParams{2, 64, 1}, Issuer: Fingerprint{0xbb}})
		if err == nil {
			err = errors.Join(k.WritePending(s), k.Promote(s.ID), k.CheckCounter(Fingerprint{0xbb}, 7))
		}
		if err == nil {
			err = os.WriteFile(file, encode(t, k), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	k, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encode(t, k), b) {
		t.Error("written another way")
	}
	share, err := k.Current.Unmask([]byte("1234"))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range share.Bytes() {
		if v != byte(i) {
			t.Fatal("the PIN of the first version shows another share")
		}
	}
	if k.Serial.String() != "0102030405060708" || k.Type != protocol.KeySO || k.Current.Counters[Fingerprint{0xbb}] != 7 {
		t.Errorf("%+v", k)
	}
}

func TestContainerCutAndChanged(t *testing.T) {
	b := encode(t, fullKey(t))
	for n := range b {
		if _, err := Decode(b[:n]); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			if _, err := Decode(c); err == nil {
				t.Fatalf("byte %d bit %d changed: accepted", i, bit)
			}
		}
	}
	if _, err := Decode(append(bytes.Clone(b), 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("trailing byte: %v", err)
	}
	for _, c := range []struct {
		b    []byte
		want error
	}{
		{[]byte("PK\x03\x04 a zip archive"), ErrForeign},
		{[]byte("OPEDKEZ"), ErrForeign},
		{[]byte(magic + "\x00\x00"), ErrForeign},
		{[]byte(magic + "\x00\x02"), ErrNewer},
		{[]byte(magic + "\xff\xff\x00\x00"), ErrNewer},
		{[]byte(magic + "\x00\x01\xff\xff\xff\xff"), ErrDamaged},
		{make([]byte, MaxContainer+1), ErrForeign},
		{append([]byte(magic), make([]byte, MaxContainer)...), ErrForeign},
		{nil, ErrTruncated},
	} {
		if _, err := Decode(c.b); !errors.Is(err, c.want) {
			t.Errorf("%.20q: %v, want %v", c.b, err, c.want)
		}
	}
}

// seal makes a container of fields, with a good checksum.
func seal(fields []byte) []byte {
	w := new(wire.Writer).Raw([]byte(magic)).U16(version).U32(uint32(len(fields))).Raw(fields)
	sum := sha512.Sum512(w.Bytes())
	return w.Raw(sum[:]).Bytes()
}

// split takes a list of fields apart, and merge puts one together.
func split(t testing.TB, b []byte) (f []field) {
	t.Helper()
	for r := wire.NewReader(b); r.Len() > 0; {
		tag, n := r.U16(), r.U32()
		f = append(f, field{tag, r.Bytes(int(n))})
		if r.Err() != nil {
			t.Fatal("bad fields")
		}
	}
	return f
}

func merge(f ...field) []byte {
	w := new(wire.Writer)
	for _, f := range f {
		w.U16(f.tag).U32(uint32(len(f.value))).Raw(f.value)
	}
	return w.Bytes()
}

// TestContainerHostile: what somebody who can compute the checksum may write.
func TestContainerHostile(t *testing.T) {
	body := func(b []byte) []byte { return b[headerSize : len(b)-sha512.Size] }
	keyFields := split(t, body(encode(t, fullKey(t))))
	setFields := split(t, keyFields[1].value)
	zero := func(n int) []byte { return make([]byte, n) }
	one := func(n int) []byte { return bytes.Repeat([]byte{1}, n) }
	// with replaces, adds (in order) or, for nil, removes a field.
	with := func(fields []field, tag uint16, v []byte) []byte {
		var out []field
		done := false
		for _, f := range fields {
			if !done && f.tag >= tag {
				done = true
				if v != nil {
					out = append(out, field{tag, v})
				}
				if f.tag == tag {
					continue
				}
			}
			out = append(out, f)
		}
		if !done && v != nil {
			out = append(out, field{tag, v})
		}
		return merge(out...)
	}
	inSet := func(tag uint16, v []byte) []byte { return with(keyFields, tagCurrent, with(setFields, tag, v)) }
	pin := func(time, mem uint32, threads byte) []byte {
		return new(wire.Writer).Raw(zero(16)).U32(time).U32(mem).U8(threads).Bytes()
	}
	cert := func(fp byte, n int) []byte { return new(wire.Writer).Raw(one(1)).Raw(zero(63)).Var16(one(n)).Bytes() }
	for _, c := range []struct {
		name   string
		fields []byte
		want   error
	}{
		{"unchanged", merge(keyFields...), nil},
		{"unknown field of key", with(keyFields, 77, one(5)), nil},
		{"unknown empty field", with(keyFields, 77, []byte{}), nil},
		{"unknown field of set", inSet(77, one(5)), nil},
		{"unknown critical field of key", with(keyFields, tagCritical|77, one(5)), ErrNewer},
		{"unknown critical field of set", inSet(tagCritical|77, one(5)), ErrNewer},
		{"no serial", with(keyFields, tagSerial, nil), ErrDamaged},
		{"zero serial", with(keyFields, tagSerial, zero(8)), ErrDamaged},
		{"long serial", with(keyFields, tagSerial, one(9)), ErrDamaged},
		{"short serial", with(keyFields, tagSerial, one(7)), ErrDamaged},
		{"empty set", with(keyFields, tagCurrent, []byte{}), ErrDamaged},
		{"field twice", append(merge(keyFields...), merge(keyFields[2])...), ErrDamaged},
		{"fields out of order", merge(keyFields[1], keyFields[0], keyFields[2]), ErrDamaged},
		{"half a field", append(merge(keyFields...), 0, 99, 0), ErrDamaged},
		{"length over the end", append(merge(keyFields...), 0, 99, 0, 0, 0, 9, 1), ErrDamaged},
		{"length of 4 GiB", append(merge(keyFields...), 0, 99, 0xff, 0xff, 0xff, 0xff, 1), ErrDamaged},
		{"no set id", inSet(tagID, nil), ErrDamaged},
		{"zero set id", inSet(tagID, zero(16)), ErrDamaged},
		{"no share header", inSet(tagShare, nil), ErrDamaged},
		{"no share", inSet(tagMasked, nil), ErrDamaged},
		{"short share", inSet(tagMasked, zero(63)), ErrDamaged},
		{"long share", inSet(tagMasked, zero(65)), ErrDamaged},
		{"type 0", inSet(tagShare, []byte{0, 1, 1, 1}), ErrDamaged},
		{"type 6", inSet(tagShare, []byte{6, 1, 1, 1}), ErrDamaged},
		{"index 0", inSet(tagShare, []byte{3, 0, 1, 1}), ErrDamaged},
		{"index over n", inSet(tagShare, []byte{3, 2, 1, 1}), ErrDamaged},
		{"m over n", inSet(tagShare, []byte{3, 1, 2, 1}), ErrDamaged},
		{"m 0", inSet(tagShare, []byte{3, 1, 0, 1}), ErrDamaged},
		{"n 17", inSet(tagShare, []byte{3, 1, 1, 17}), ErrDamaged},
		{"long share header", inSet(tagShare, []byte{3, 1, 1, 1, 0}), ErrDamaged},
		{"4 TiB of Argon2", inSet(tagPIN, pin(3, 1<<32-1, 1)), ErrDamaged},
		{"257 MiB of Argon2", inSet(tagPIN, pin(3, 257<<10, 1)), ErrDamaged},
		{"no memory", inSet(tagPIN, pin(3, 0, 1)), ErrDamaged},
		{"no passes", inSet(tagPIN, pin(0, 64, 1)), ErrDamaged},
		{"17 passes", inSet(tagPIN, pin(17, 64, 1)), ErrDamaged},
		{"no threads", inSet(tagPIN, pin(1, 64, 0)), ErrDamaged},
		{"5 threads", inSet(tagPIN, pin(1, 64, 5)), ErrDamaged},
		{"long PIN field", inSet(tagPIN, append(pin(1, 64, 1), 0)), ErrDamaged},
		{"no issuers, but certificates", inSet(tagIssuers, nil), ErrDamaged},
		{"half an issuer", inSet(tagIssuers, one(65)), ErrDamaged},
		{"17 issuers", inSet(tagIssuers, one(64*17)), ErrDamaged},
		{"issuer twice", inSet(tagIssuers, append(bytes.Clone(setFields[4].value), setFields[4].value[:64]...)), ErrDamaged},
		{"orange without RPK", inSet(tagRPK, nil), ErrDamaged},
		{"zero RPK", inSet(tagRPK, zero(66)), ErrDamaged},
		{"RPK over the order", inSet(tagRPK, bytes.Repeat([]byte{0xff}, 66)), ErrDamaged},
		{"short RPK", inSet(tagRPK, one(65)), ErrDamaged},
		{"certificate for nobody", inSet(tagCerts, cert(1, 10)), ErrDamaged},
		{"certificate too long", inSet(tagCerts, cert(1, MaxRPKCert+1)), ErrDamaged},
		{"counter of nobody", inSet(tagCounters, one(72)), ErrDamaged},
		{"half a counter", inSet(tagCounters, one(71)), ErrDamaged},
		{"counters out of order", inSet(tagCounters, append(bytes.Clone(setFields[7].value[72:]), setFields[7].value[:72]...)), ErrDamaged},
		{"blue with RPK", inSet(tagShare, []byte{1, 1, 1, 1}), ErrDamaged},
	} {
		k, err := Decode(seal(c.fields))
		if !errors.Is(err, c.want) || (k == nil) != (err != nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestUnknownFieldsKept: what a later version added survives a change made by
// this one, at both levels, and goes when its set goes.
func TestUnknownFieldsKept(t *testing.T) {
	k := fullKey(t)
	k.unknown = []field{{50, []byte("key level")}}
	k.Current.unknown = []field{{60, []byte("current level")}}
	k.Pending.unknown = []field{{0x7fff, []byte("pending level")}}
	k, err := Decode(encode(t, k))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.CheckCounter(Fingerprint{9}, 100); err != nil {
		t.Fatal(err)
	}
	b := encode(t, k)
	for _, want := range []string{"key level", "current level", "pending level"} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s: lost", want)
		}
	}
	if k, err = Decode(b); err != nil {
		t.Fatal(err)
	}
	if err := k.Promote(k.Pending.ID); err != nil {
		t.Fatal(err)
	}
	b = encode(t, k)
	for want, kept := range map[string]bool{"key level": true, "current level": false, "pending level": true} {
		if bytes.Contains(b, []byte(want)) != kept {
			t.Errorf("after promotion: %s kept: %v", want, !kept)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, change := range map[string]func(*Key){
		"no serial":      func(k *Key) { k.Serial = protocol.KeySerial{} },
		"type":           func(k *Key) { k.Type = protocol.KeySO },
		"bad set":        func(k *Key) { k.Current.M = 9 },
		"unlisted count": func(k *Key) { k.Current.Counters[Fingerprint{99}] = 1 },
		"too large":      func(k *Key) { k.unknown = []field{{99, make([]byte, maxFields)}} },
	} {
		k := fullKey(t)
		change(k)
		if b, err := k.Encode(); err == nil || b != nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func FuzzContainer(f *testing.F) {
	f.Add(encode(f, NewBlank()))
	b := encode(f, fullKey(f))
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add(b[headerSize : len(b)-sha512.Size])
	f.Add([]byte(magic + "\x00\x02"))
	if golden, err := os.ReadFile("testdata/v1.pedkey"); err == nil {
		f.Add(golden)
	}
	hexSeed, _ := hex.DecodeString("000100000008010203040506070800020000000000")
	f.Add(hexSeed)
	f.Fuzz(func(t *testing.T, b []byte) {
		// The bytes as a container, and as the fields of one: the checksum would
		// keep the fuzzer out.
		for _, c := range [][]byte{b, seal(b)} {
			k, err := Decode(c)
			if err != nil {
				for _, known := range []error{ErrForeign, ErrTruncated, ErrNewer, ErrDamaged} {
					if err == known {
						err = nil
					}
				}
				if err != nil {
					t.Fatalf("another error: %v", err)
				}
				continue
			}
			if again := encode(t, k); !bytes.Equal(again, c) {
				t.Fatal("not the same bytes when written again")
			}
			k.Destroy()
		}
	})
}
