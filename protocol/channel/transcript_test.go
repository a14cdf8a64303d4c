package channel_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"

	"openped/certs"
	"openped/protocol"
	"openped/protocol/channel"
)

var update = flag.Bool("update", false, "write testdata/transcript-*.txt anew")

// script is a recorded handshake: named byte strings, in order.
type script struct {
	names  []string
	values map[string][]byte
}

func (s *script) add(name string, value []byte) {
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	s.names = append(s.names, name)
	s.values[name] = bytes.Clone(value)
}

func (s *script) format(mode channel.Mode) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# A handshake in mode %v and what follows it, with all secrets. Made by %s.\n", mode, goVersion())
	for _, n := range s.names {
		fmt.Fprintf(&b, "%s =\n", n)
		for v := s.values[n]; len(v) > 0; {
			k := min(len(v), 48)
			fmt.Fprintf(&b, "  %x\n", v[:k])
			v = v[k:]
		}
	}
	return []byte(b.String())
}

func goVersion() string {
	v := runtime.Version()
	if i := strings.LastIndexByte(v, '.'); strings.Count(v, ".") > 1 {
		v = v[:i]
	}
	return v
}

func parseScript(t *testing.T, data []byte) *script {
	s := &script{}
	name, value := "", []byte(nil)
	flush := func() {
		if name != "" {
			s.add(name, value)
		}
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "  "):
			b, err := hex.DecodeString(line[2:])
			if err != nil {
				t.Fatal(err)
			}
			value = append(value, b...)
		default:
			flush()
			name, value = strings.TrimSuffix(line, " ="), nil
		}
	}
	flush()
	return s
}

// recordTranscript runs a handshake with fixed randomness.
func recordTranscript(t *testing.T, mode channel.Mode) *script {
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rec := &script{}
	run := func(cpaceKeyOnly bool) (key []byte) {
		cryptotest.SetGlobalRandom(t, 18033+uint64(mode))
		root, err := certs.NewOriginRoot("transcript root")
		ok(err)
		issuing, err := root.NewIssuing("1500123")
		ok(err)
		static, err := ecdh.P521().GenerateKey(rand.Reader)
		ok(err)
		staticCert, err := issuing.IssueStatic(static.PublicKey(), 1)
		ok(err)
		rpk, err := ecdh.P521().GenerateKey(rand.Reader)
		ok(err)
		rpkCert, err := issuing.IssueRPK(rpk.PublicKey())
		ok(err)
		rpv := make([]byte, 64)
		rand.Read(rpv)
		uc := channel.UConfig{Mode: mode, Serial: "1500123", Label: "transcript", Firmware: "7.7.0",
			Chain: [][]byte{staticCert, issuing.CertDER}, Static: static,
			Verifier: &certs.RPKVerifier{IssuingDER: issuing.CertDER, Listed: func([64]byte) bool { return true }, Own: func([64]byte) bool { return false }}}
		vc := channel.VConfig{Modes: func(m channel.Mode) bool { return m == mode }, Verifier: &certs.HSMVerifier{Roots: []*x509.Certificate{root.Cert}},
			CheckCounter: func(channel.Identity) error { return nil }}
		in := channel.AuthInput{Serial: "PED-0001", Firmware: "2.9.0"}
		switch mode {
		case channel.ModeRPV:
			in.RPKCert, in.RPK, in.RPV = rpkCert, rpk, rpv
			uc.LiveSet = protocol.SetID{0x11, 0x22}
		case channel.ModeOTP:
			uc.Password, in.Password = password, password
		}
		u, hello, err := channel.NewU(uc)
		ok(err)
		seed, ephU := u.KemSeed(), u.Ephemeral().Bytes()
		v, reply, err := channel.NewV(vc, hello)
		ok(err)
		ephV := v.Ephemeral().Bytes()
		proof, err := u.Reply(reply)
		ok(err)
		_, err = v.Receive(proof)
		ok(err)
		begin, err := u.Begin()
		ok(err)
		_, err = v.Receive(begin)
		ok(err)
		activity, err := v.Activity()
		ok(err)
		_, err = u.Receive(activity)
		ok(err)
		auth, err := v.Auth(in)
		ok(err)
		_, payload, err := u.PeekK0(1, auth)
		ok(err)
		if cpaceKeyOnly {
			return u.CPaceKey(payload[len(payload)-channel.TagSize-32:][:32])
		}
		_, err = u.Receive(auth)
		ok(err)
		var hs *channel.Session
		var confirm []byte
		if mode == channel.ModeRPV {
			hs, confirm, err = u.Finish(rpv)
		} else {
			hs, confirm, err = u.Finish(nil)
		}
		ok(err)
		_, err = v.Receive(confirm)
		ok(err)
		ps := v.Session()

		rec.add("U static private key", static.Bytes())
		rec.add("U ephemeral private key", ephU)
		rec.add("U ML-KEM seed", seed)
		rec.add("V ephemeral private key", ephV)
		switch mode {
		case channel.ModeRPV:
			rec.add("RPK private key", rpk.Bytes())
			rec.add("RPV", rpv)
		case channel.ModeOTP:
			rec.add("password", password)
		}
		rec.add("Hello", hello)
		rec.add("Reply", reply)
		rec.add("HsmProof", proof)
		rec.add("Begin", begin)
		rec.add("Activity", activity)
		rec.add("PedAuth", auth)
		rec.add("PedAuth payload", payload)
		rec.add("Confirm", confirm)
		data, err := hs.Seal([]byte("from the HSM"))
		ok(err)
		rec.add("Data UV", data)
		wrapped, err := ps.WrapSecret(transcriptLabel, bytes.Repeat([]byte{0x5e}, 64))
		ok(err)
		rec.add("wrapped secret VU", wrapped)
		data, err = ps.Close()
		ok(err)
		rec.add("Close VU", data)
		return nil
	}
	run(false)
	if mode == channel.ModeOTP {
		rec.add("CPace key", run(true))
	}
	return rec
}

var transcriptLabel = channel.Label{Ceremony: protocol.CeremonyID{0xce}, Op: protocol.OpAuthenticate, Role: protocol.RoleSO, Serial: "1500123",
	Set: protocol.SetID{0x5e}, Index: 2}

// TestTranscript compares a handshake with fixed randomness to the recorded one,
// and works the recorded one out again from its secrets, by code of its own that
// follows the specification's text.
func TestTranscript(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			path := filepath.Join("testdata", "transcript-"+mode.String()+".txt")
			got := recordTranscript(t, mode)
			derived := workOut(t, mode, got)
			for _, n := range derived.names {
				got.add(n, derived.values[n])
			}
			text := got.format(mode)
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			recorded := parseScript(t, want)
			again := workOut(t, mode, recorded)
			for _, n := range again.names {
				if !bytes.Equal(again.values[n], recorded.values[n]) {
					t.Errorf("recorded %s is not what its secrets give", n)
				}
			}
			// How the library uses randomness may change between Go versions.
			if !bytes.Equal(text, want) && bytes.Contains(want, []byte("Made by "+goVersion()+".")) {
				t.Errorf("differs from %s: if that is meant, run with -update and raise the version", path)
			}
		})
	}
}

// workOut derives every secret of a transcript and checks every message.
func workOut(t *testing.T, mode channel.Mode, s *script) *script {
	get := func(name string) []byte {
		t.Helper()
		v, ok := s.values[name]
		if !ok {
			t.Fatalf("transcript has no %q", name)
		}
		return v
	}
	key := func(name string) *ecdh.PrivateKey {
		t.Helper()
		k, err := ecdh.P521().NewPrivateKey(get(name))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	sha := func(parts ...[]byte) []byte { h := sha512.Sum512(cat(parts...)); return h[:] }
	mac := func(key []byte, parts ...[]byte) []byte {
		h := hmac.New(sha512.New, key)
		h.Write(cat(parts...))
		return h.Sum(nil)
	}
	id := func(k *ecdh.PrivateKey) []byte {
		der, err := x509.MarshalPKIXPublicKey(k.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		return sha(der)
	}
	xy := func(k *ecdh.PrivateKey) []byte { return k.PublicKey().Bytes()[1:] }
	kdf := func(n int, z, info []byte) (out []byte) {
		for i := uint32(1); len(out) < n; i++ {
			out = append(out, sha(binary.BigEndian.AppendUint32(nil, i), z, info)...)
		}
		return out[:n]
	}
	item := func(typ byte, body []byte) []byte {
		return cat([]byte{typ, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(body))), body)
	}
	static, ephU, ephV := key("U static private key"), key("U ephemeral private key"), key("V ephemeral private key")
	hello, reply, proof := get("Hello"), get("Reply"), get("HsmProof")
	nonceU := hello[16+3:][:32]
	nonceV := reply[16+1:][:32]
	if !bytes.Equal(reply[16+1+32:][:133], ephV.PublicKey().Bytes()) || !bytes.Contains(hello, ephU.PublicKey().Bytes()) {
		t.Error("ephemeral keys are not the messages'")
	}
	dk, err := mlkem.NewDecapsulationKey1024(get("U ML-KEM seed"))
	if err != nil {
		t.Fatal(err)
	}
	ss, err := dk.Decapsulate(reply[16+1+32+133:][:1568])
	if err != nil {
		t.Fatal(err)
	}
	xu, ze := dh(t, static, ephV.PublicKey()), dh(t, ephU, ephV.PublicKey())
	zero64 := make([]byte, 64)
	out := &script{}

	th0 := sha(hello, reply)
	info := cat([]byte("openped v1 k0 "+mode.String()), id(static), nonceU, zero64, nonceV, []byte{0, 0, 2048 >> 8, 0}, th0)
	k0 := kdf(256, cat(xu, ze, ss), info)
	out.add("TH0", th0)
	out.add("K0", k0)
	var shareU []byte
	if mode == channel.ModeOTP {
		shareU = proof[17:49]
	}
	proofBody := cat([]byte{byte(len(shareU))}, shareU)
	tag0 := mac(k0[:64], []byte("KC_1_V"), id(static), zero64, xy(ephV), th0, shareU)
	if !bytes.Equal(proof, item(3, cat(proofBody, tag0))) {
		t.Error("HsmProof differs")
	}
	out.add("tag0", tag0)
	// open decrypts a record by hand.
	open := func(keys, rec []byte, typ byte, seq uint64) []byte {
		t.Helper()
		n := len(rec) - 80
		head := cat([]byte{typ, 1, 0, 0}, binary.BigEndian.AppendUint64(nil, seq), binary.BigEndian.AppendUint32(nil, uint32(n)))
		if n%256 != 0 || !bytes.Equal(rec[:16], head) || !bytes.Equal(rec[16+n:], mac(keys[32:96], rec[:16+n])) {
			t.Errorf("record of type %#x does not verify", typ)
			return nil
		}
		block, err := aes.NewCipher(keys[:32])
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, n)
		cipher.NewCTR(block, cat(binary.BigEndian.AppendUint64(nil, seq), make([]byte, 8))).XORKeyStream(text, rec[16:16+n])
		return text[4:][:binary.BigEndian.Uint32(text)]
	}
	uv0, vu0 := k0[64:160], k0[160:256]
	if len(open(uv0, get("Begin"), 0x16, 0)) != 0 || len(open(vu0, get("Activity"), 0x17, 0)) != 0 {
		t.Error("Begin or Activity has content")
	}
	auth := open(vu0, get("PedAuth"), 0x14, 1)
	if !bytes.Equal(auth, get("PedAuth payload")) {
		t.Fatal("PedAuth differs")
	}
	body, tagV := auth[:len(auth)-64], auth[len(auth)-64:]

	th1 := sha(hello, reply, item(3, proofBody), item(0x14, body))
	idV, z, priv := zero64, cat(xu, ze, ss), []byte(nil)
	switch mode {
	case channel.ModeRPV:
		rpk := key("RPK private key")
		idV, priv = id(rpk), get("RPV")
		z = cat(ze, dh(t, static, rpk.PublicKey()), xu, dh(t, ephU, rpk.PublicKey()), ss)
	case channel.ModeOTP:
		z = cat(z, get("CPace key"))
	}
	info = cat([]byte("openped v1 dkm "+mode.String()), id(static), nonceU, idV, nonceV, []byte{0, 0, 2560 >> 8, 0}, th1, priv)
	dkm := kdf(320, z, info)
	out.add("TH1", th1)
	out.add("DKM", dkm)
	if !bytes.Equal(tagV, mac(dkm[:64], []byte("KC_2_V"), idV, id(static), xy(ephV), xy(ephU), th1)) {
		t.Error("MacTagV differs")
	}
	tagU := mac(dkm[:64], []byte("KC_2_U"), id(static), idV, xy(ephU), xy(ephV), th1)
	if !bytes.Equal(open(uv0, get("Confirm"), 0x15, 1), tagU) {
		t.Error("Confirm differs")
	}
	out.add("MacTagU", tagU)
	if got := open(dkm[64:160], get("Data UV"), 0x20, 0); string(got) != "from the HSM" {
		t.Errorf("Data UV is %q", got)
	}
	if got := open(dkm[192:288], get("Close VU"), 0x21, 0); !bytes.Equal(got, make([]byte, 8)) {
		t.Errorf("Close VU is %x", got)
	}
	label := cat([]byte{2, 1, 1, 2}, transcriptLabel.Ceremony[:], transcriptLabel.Set[:], []byte{7}, []byte("1500123"))
	if got := unwrap(t, dkm[288:320], get("wrapped secret VU")); !bytes.Equal(got, cat(label, bytes.Repeat([]byte{0x5e}, 64))) {
		t.Errorf("wrapped secret is %x", got)
	}
	return out
}

// unwrap is AES-KWP decryption (SP 800-38F, algorithm 6) without its checks.
func unwrap(t *testing.T, kek, c []byte) []byte {
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	n := len(c)/8 - 1
	a, r := bytes.Clone(c[:8]), bytes.Clone(c[8:])
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			b := make([]byte, 16)
			binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(a)^uint64(n*j+i))
			copy(b[8:], r[8*(i-1):])
			block.Decrypt(b, b)
			copy(a, b[:8])
			copy(r[8*(i-1):8*i], b[8:])
		}
	}
	return r[:binary.BigEndian.Uint32(a[4:])]
}
