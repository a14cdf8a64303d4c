package docs

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/sha512"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"openped/protocol/kas"
)

var update = flag.Bool("update", false, "write the transcript of docs/SPEC.md anew from protocol/channel/testdata")

const spki = "30819b301006072a8648ce3d020106052b81040023038186" + "00"

// value is one named value of a transcript.
type value struct {
	name  string
	bytes []byte
}

// parseValues reads "name =" and indented hex, as transcripts are written.
func parseValues(t *testing.T, text string) (all []value) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasSuffix(line, " ="):
			all = append(all, value{name: strings.TrimSuffix(line, " =")})
		case strings.HasPrefix(line, "  ") && len(all) > 0:
			v := &all[len(all)-1]
			v.bytes = append(v.bytes, unhex(t, strings.TrimSpace(line))...)
		}
	}
	return all
}

// abridged works the values that SPEC shows out of the recorded handshake.
func abridged(t *testing.T) []value {
	t.Helper()
	rec := map[string][]byte{}
	for _, v := range parseValues(t, read(t, "protocol/channel/testdata/transcript-rpv.txt")) {
		rec[v.name] = v.bytes
	}
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	private := func(name string) *ecdh.PrivateKey {
		k, err := ecdh.P521().NewPrivateKey(rec[name])
		if err != nil {
			t.Fatal(name, err)
		}
		return k
	}
	su, eu, ev, sv := private("U static private key"), private("U ephemeral private key"), private("V ephemeral private key"), private("RPK private key")
	id := func(k *ecdh.PrivateKey) []byte {
		h := sha512.Sum512(append(unhex(t, spki), k.PublicKey().Bytes()...))
		return h[:]
	}
	dk, err := mlkem.NewDecapsulationKey1024(rec["U ML-KEM seed"])
	if err != nil {
		t.Fatal(err)
	}
	hello, reply := rec["Hello"], rec["Reply"]
	nonceU, nonceV := hello[16+3:][:32], reply[16+1:][:32]
	kem := reply[16+1+32+133:][:mlkem.CiphertextSize1024]
	ze, xu := must(eu.ECDH(ev.PublicKey())), must(su.ECDH(ev.PublicKey()))
	zs, xv := must(su.ECDH(sv.PublicKey())), must(eu.ECDH(sv.PublicKey()))
	ss := must(dk.Decapsulate(kem))
	th0, th1 := rec["TH0"], rec["TH1"]

	// The section's own formulas, on these values.
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	fixed := func(label string, idV []byte, bits string, th []byte) []byte {
		return cat([]byte(label+"rpv"), id(su), nonceU, idV, nonceV, unhex(t, bits), th)
	}
	k0 := must(kas.OneStepKDF(sha512.New, cat(xu, ze, ss), fixed("openped v1 k0 ", make([]byte, 64), "00000800", th0), 256))
	dkm := must(kas.OneStepKDF(sha512.New, cat(ze, zs, xu, xv, ss), append(fixed("openped v1 dkm ", id(sv), "00000a00", th1), rec["RPV"]...), 320))
	qeU, qeV := eu.PublicKey().Bytes()[1:], ev.PublicKey().Bytes()[1:]
	tag0 := kas.HMACSHA512(k0[:64], cat([]byte("KC_1_V"), id(su), make([]byte, 64), qeV, th0))
	tagV := kas.HMACSHA512(dkm[:64], cat([]byte("KC_2_V"), id(sv), id(su), qeV, qeU, th1))
	tagU := kas.HMACSHA512(dkm[:64], cat([]byte("KC_2_U"), id(su), id(sv), qeU, qeV, th1))
	sum := sha512.Sum512(cat(hello, reply))
	auth := rec["PedAuth payload"]
	for name, pair := range map[string][2][]byte{
		"TH0": {sum[:], th0}, "K0": {k0, rec["K0"]}, "DKM": {dkm, rec["DKM"]}, "tag0": {tag0, rec["tag0"]},
		"MacTagV": {tagV, auth[len(auth)-64:]}, "MacTagU": {tagU, rec["MacTagU"]},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Fatalf("%s by the text is %x, recorded is %x", name, pair[0], pair[1])
		}
	}
	return []value{
		{"U static private key", rec["U static private key"]},
		{"U ephemeral private key", rec["U ephemeral private key"]},
		{"U ML-KEM seed", rec["U ML-KEM seed"]},
		{"V ephemeral private key", rec["V ephemeral private key"]},
		{"RPK private key", rec["RPK private key"]},
		{"RPV", rec["RPV"]},
		{"Hello, to the end of firmware", hello[:16+3+32+1+int(hello[51])+helloTexts(hello)]},
		{"nonceU", nonceU},
		{"nonceV", nonceV},
		{"ID_U", id(su)},
		{"ID_V", id(sv)},
		{"TH0", th0},
		{"X_U", xu},
		{"Ze", ze},
		{"ss", ss},
		{"K0", k0},
		{"tag0", tag0},
		{"TH1", th1},
		{"Zs", zs},
		{"X_V", xv},
		{"DKM", dkm},
		{"MacTagV", tagV},
		{"MacTagU", tagU},
		{"Begin", rec["Begin"]},
		{"Data UV", rec["Data UV"]},
		{"wrapped secret VU", rec["wrapped secret VU"]},
	}
}

// helloTexts is the size of label and firmware with their lengths.
func helloTexts(hello []byte) int {
	at := 16 + 3 + 32 + 1 + int(hello[51])
	label := 1 + int(hello[at])
	return label + 1 + int(hello[at+label])
}

func format(values []value) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(v.name + " =\n")
		for s := hex.EncodeToString(v.bytes); s != ""; {
			n := min(96, len(s))
			b.WriteString("  " + s[:n] + "\n")
			s = s[n:]
		}
	}
	return b.String()
}

// TestTranscript: the transcript in the text is the recorded one, and follows
// from its private keys by the formulas of the text.
func TestTranscript(t *testing.T) {
	want := format(abridged(t))
	text := load(t, "docs/SPEC.md").section(t, "Recorded transcript").text
	_, block, ok := strings.Cut(text, "```\n")
	block, _, ok2 := strings.Cut(block, "```")
	if !ok || !ok2 {
		t.Fatal("the section has no block of values")
	}
	if block == want {
		return
	}
	if !*update {
		t.Fatal("the transcript is not the recorded one; after a look at the change run: go test ./test/docs -run Transcript -update")
	}
	path := filepath.Join(root, "docs/SPEC.md")
	old := read(t, "docs/SPEC.md")
	if block == "" || strings.Count(old, block) != 1 {
		t.Fatal("the block of values cannot be found")
	}
	if err := os.WriteFile(path, []byte(strings.Replace(old, block, want, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}
