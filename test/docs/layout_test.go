package docs

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/kas"
	"openped/rpv"
)

// recorded are the values of a recorded handshake.
func recorded(t *testing.T, mode string) map[string][]byte {
	t.Helper()
	rec := map[string][]byte{}
	for _, v := range parseValues(t, read(t, "protocol/channel/testdata/transcript-"+mode+".txt")) {
		rec[v.name] = v.bytes
	}
	return rec
}

// TestHandshakeTables walks recorded handshake messages along their tables.
func TestHandshakeTables(t *testing.T) {
	tables := map[string]table{}
	for _, tab := range load(t, "docs/SPEC.md").section(t, "Messages").tables() {
		if tab.header[0] == "field" && tab.bold != "" {
			tables[tab.bold] = tab
		}
	}
	for _, mode := range []string{"rpv", "otp", "local"} {
		rec := recorded(t, mode)
		for name, b := range map[string][]byte{"Hello": rec["Hello"][16:], "Reply": rec["Reply"][16:], "HsmProof": rec["HsmProof"][16:], "PedAuth": rec["PedAuth payload"]} {
			tab, ok := tables[name]
			if !ok {
				t.Errorf("no table of %s", name)
				continue
			}
			rest, err := along(tab, b)
			if err != nil || len(rest) != 0 {
				t.Errorf("%s in mode %s: %v, %d bytes left", name, mode, err, len(rest))
			}
		}
	}
}

// along takes the fields of a table off the front of b.
func along(tab table, b []byte) (rest []byte, err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("%v", e)
		}
	}()
	last := 0 // value of a field of one byte
	for _, r := range tab.rows {
		size := bare(r[1])
		n := 0
		switch {
		case r[0] == "extensions":
			n = 1
			for range b[0] {
				n += 5 + int(binary.BigEndian.Uint16(b[n+3:]))
			}
		case size == "1 + 1":
			n = 2
		case strings.HasPrefix(size, "text8"), strings.HasPrefix(size, "var8"):
			n = 1 + int(b[0])
		case strings.HasPrefix(size, "var16"):
			n = 2 + int(binary.BigEndian.Uint16(b))
		case strings.HasPrefix(size, "chainLen × var16"):
			for range last {
				n += 2 + int(binary.BigEndian.Uint16(b[n:]))
			}
		default:
			if n, err = strconv.Atoi(size); err != nil {
				return b, fmt.Errorf("field %s has size %q", r[0], r[1])
			}
		}
		last = int(b[0])
		b = b[n:]
	}
	return b, nil
}

// TestRecordTables opens what the transcript shows by the text's own layout.
func TestRecordTables(t *testing.T) {
	spec := load(t, "docs/SPEC.md")
	rec := recorded(t, "rpv")
	dkm := rec["DKM"]
	if len(dkm) != 64+2*(32+64+32) {
		t.Fatalf("DKM has %d bytes", len(dkm))
	}
	uv, vu := dkm[64:192], dkm[192:]
	r := rec["Data UV"]
	if header, err := along(spec.section(t, "Messages").table(t, "offset", "size").sizes(), r[:16]); err != nil || len(header) != 0 {
		t.Errorf("header: %v, %d left", err, len(header))
	}
	n := binary.BigEndian.Uint32(r[12:])
	if int(n)+16+64 != len(r) || !bytes.Equal(kas.HMACSHA512(uv[32:96], r[:16+n]), r[16+n:]) {
		t.Error("the Data record is not header ‖ ciphertext ‖ tag")
	}
	// The wrapped secret, under a label put together from the table.
	field := map[string][]byte{"direction": {2}, "op": {1}, "role": {1}, "index": {2}, "ceremony": append([]byte{0xce}, make([]byte, 15)...),
		"set": append([]byte{0x5e}, make([]byte, 15)...), "serial": []byte("\x071500123")}
	var want []byte
	for _, row := range spec.section(t, "Wrapped secrets").table(t, "label field", "size").rows {
		f, ok := field[row[0]]
		if size, err := strconv.Atoi(row[1]); !ok || err == nil && size != len(f) {
			t.Errorf("label field %v", row)
		}
		want = append(want, f...)
	}
	got, err := kas.UnwrapKWP(vu[96:], rec["wrapped secret VU"])
	if want = append(want, bytes.Repeat([]byte{0x5e}, 64)...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("wrapped secret: %x, %v", got, err)
	}
}

// sizes is a table with an offset column in front, without it.
func (tab table) sizes() table {
	out := table{header: tab.header[1:]}
	for _, r := range tab.rows {
		out.rows = append(out.rows, []string{r[2], r[1]})
	}
	return out
}

// TestKeyContainer reads a container by the tables of the text.
func TestKeyContainer(t *testing.T) {
	spec := load(t, "docs/SPEC.md")
	key, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	share, private := secret.Random(rpv.SecretSize), secret.From(key.Bytes())
	defer share.Destroy()
	defer private.Destroy()
	var issuer rpv.Fingerprint
	rand.Read(issuer[:])
	cost := rpv.ArgonParams{Time: 1, MemoryKiB: 16, Threads: 2}
	newSet := func(id byte) *rpv.Set {
		s, err := rpv.NewSet(rpv.SetParams{ID: protocol.SetID{id}, Type: protocol.KeyRPK, Index: 2, M: 2, N: 3, PIN: []byte("1234"), Share: share,
			Cost: cost, Issuer: issuer, RPKPrivate: private, RPKCert: []byte("certificate")})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	k := rpv.NewBlank()
	defer k.Destroy()
	for _, id := range []byte{7, 8} {
		if err := k.WritePending(newSet(id)); err != nil {
			t.Fatal(err)
		}
		if id == 7 {
			if err := k.Promote(protocol.SetID{7}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := k.CheckCounter(issuer, 9); err != nil {
		t.Fatal(err)
	}
	b, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := spec.section(t, "Key container")
	header := s.table(t, "offset", "size", "field").rows
	if string(b[:8]) != strings.Fields(bare(header[0][2]))[0]+"\x00" || binary.BigEndian.Uint16(b[8:]) != 1 {
		t.Errorf("header %x", b[:14])
	}
	length := int(binary.BigEndian.Uint32(b[10:]))
	sum := sha512.Sum512(b[:14+length])
	if len(b) != 14+length+64 || !bytes.Equal(sum[:], b[14+length:]) {
		t.Error("length or checksum")
	}
	fields := byTag(t, "key", s.table(t, "tag", "size", "field of a key"), b[14:14+length])
	set := byTag(t, "set", s.table(t, "tag", "size", "field of a set"), fields[2])

	// PIN and share, by the section's formulas.
	text := spec.section(t, "PIN").text
	d := rpv.DefaultCost()
	if want := fmt.Sprintf("Default t = %d, m = 65 536 KiB, p = %d", d.Time, d.Threads); !strings.Contains(text, want) || d.MemoryKiB != 65536 {
		t.Errorf("the text does not say: %s", want)
	}
	prefix := regexp.MustCompile(`SHA-512\("([^"]+)" ‖ set id`).FindStringSubmatch(text)
	if prefix == nil {
		t.Fatal("no formula of the salt")
	}
	salt := sha512.Sum512(append(append([]byte(prefix[1]), set[1]...), set[2][0], set[2][1]))
	if !bytes.Equal(salt[:16], set[3][:16]) {
		t.Errorf("salt %x", set[3][:16])
	}
	mask := argon2.IDKey([]byte("1234"), salt[:16], cost.Time, cost.MemoryKiB, cost.Threads, 64)
	for i := range mask {
		mask[i] ^= set[4][i]
	}
	if !bytes.Equal(mask, share.Bytes()) {
		t.Error("the share is not masked as the text says")
	}
	if !bytes.Equal(set[6], key.Bytes()) || !bytes.Equal(set[7], append(append(issuer[:], 0, 11), "certificate"...)) || !bytes.Equal(set[8], append(issuer[:], 0, 0, 0, 0, 0, 0, 0, 9)) {
		t.Error("RPK, certificates or counters")
	}
}

// byTag cuts b into fields and compares tags and sizes with a table that has
// them all.
func byTag(t *testing.T, what string, tab table, b []byte) map[int][]byte {
	t.Helper()
	fields := map[int][]byte{}
	for len(b) > 0 {
		tag, n := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint32(b[2:]))
		fields[tag], b = b[6:6+n], b[6+n:]
	}
	for _, r := range tab.rows {
		tag, err := strconv.Atoi(r[0])
		f, ok := fields[tag]
		if err != nil || !ok {
			t.Errorf("%s: the code writes no field %s", what, r[0])
			continue
		}
		unit, many := strings.CutSuffix(r[1], "·k")
		if size, err := strconv.Atoi(unit); err == nil && (len(f)%size != 0 || !many && len(f) != size) {
			t.Errorf("%s: field %s has %d bytes", what, r[0], len(f))
		}
	}
	if len(fields) != len(tab.rows) {
		t.Errorf("%s: the code writes %d fields, the text has %d", what, len(fields), len(tab.rows))
	}
	return fields
}

// TestCertificateTables compares the profile with a recorded chain and with the
// identifiers in the code.
func TestCertificateTables(t *testing.T) {
	s := load(t, "docs/SPEC.md").section(t, "Certificates")
	source := read(t, "certs/profile.go")
	for _, r := range s.table(t, "OID", "name").rows {
		if !strings.Contains(source, "asn1.ObjectIdentifier{"+strings.ReplaceAll(r[0], ".", ", ")+"}") {
			t.Errorf("%s is not in the code", r[0])
		}
	}
	for _, r := range s.table(t, "field", "origin", "issuing", "static", "RPK").rows {
		if !strings.HasPrefix(r[0], "role") {
			continue
		}
		for i, name := range []string{"Origin", "Issuing", "Static", "RPK"} {
			if !regexp.MustCompile(`Role` + name + `\s+Role = ` + r[1+i] + ` `).MatchString(source) {
				t.Errorf("role %s is not %s in the code", name, r[1+i])
			}
		}
	}
}
