package certs

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"openped/internal/pemfile"
)

// identity is an HSM with one static key.
type identity struct {
	*Issuing
	pub    *ecdh.PublicKey
	static []byte
}

var roots = sync.OnceValues(func() (*OriginRoot, *OriginRoot) {
	a, err := NewOriginRoot("Test origin")
	if err != nil {
		panic(err)
	}
	b, err := NewOriginRoot("Test origin")
	if err != nil {
		panic(err)
	}
	return a, b
})

func newKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newIdentity(t testing.TB, root *OriginRoot, serial string, counter uint64) identity {
	t.Helper()
	iss, err := root.NewIssuing(serial)
	if err != nil {
		t.Fatal(err)
	}
	pub := newKey(t).PublicKey()
	static, err := iss.IssueStatic(pub, counter)
	if err != nil {
		t.Fatal(err)
	}
	return identity{iss, pub, static}
}

func TestVerifyHSM(t *testing.T) {
	root, other := roots()
	a := newIdentity(t, root, "1234567", 1<<63+5)
	v := &HSMVerifier{Roots: []*x509.Certificate{other.Cert, root.Cert}}
	for name, chain := range map[string][][]byte{"with root": a.Chain(a.static), "without": a.Chain(a.static)[:2]} {
		for _, unknownOK := range []bool{false, true} {
			id, key, err := v.VerifyHSM(chain, unknownOK)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			fp, _ := a.Fingerprint()
			if id.Serial != "1234567" || id.StartCounter != 1<<63+5 || !id.Known || !key.Equal(a.pub) ||
				id.IssuingFP != fp || id.RootFP != SPKIFingerprint(root.Cert.RawSubjectPublicKeyInfo) {
				t.Errorf("%s: %+v", name, id)
			}
		}
	}
}

func TestUnknownRoot(t *testing.T) {
	root, other := roots()
	a := newIdentity(t, root, "1234567", 1)
	v := &HSMVerifier{Roots: []*x509.Certificate{other.Cert}} // same name, other key
	for _, c := range []struct {
		name      string
		chain     [][]byte
		unknownOK bool
		want      error
	}{
		{"refused", a.Chain(a.static), false, ErrUnknownRoot},
		{"refused without root", a.Chain(a.static)[:2], false, ErrUnknownRoot},
		{"nothing to check with", a.Chain(a.static)[:2], true, ErrUnknownRoot},
		{"taken for pairing", a.Chain(a.static), true, nil},
		{"known root, foreign issuing key", [][]byte{a.static, a.CertDER, other.CertDER}, false, ErrChain},
		{"foreign root claimed", [][]byte{a.static, a.CertDER, other.CertDER}, true, ErrChain},
	} {
		id, key, err := v.VerifyHSM(c.chain, c.unknownOK)
		if !errors.Is(err, c.want) || (err == nil) != (key != nil) || id.Known {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestVerifyRPK(t *testing.T) {
	root, _ := roots()
	a, b := newIdentity(t, root, "100", 1), newIdentity(t, root, "200", 1)
	rpk := newKey(t).PublicKey()
	cert, err := a.IssueRPK(rpk)
	if err != nil {
		t.Fatal(err)
	}
	ofB, err := b.IssueRPK(rpk)
	if err != nil {
		t.Fatal(err)
	}
	ownStatic, err := a.IssueRPK(a.pub)
	if err != nil {
		t.Fatal(err)
	}
	yes := func([64]byte) bool { return true }
	only := func(want *ecdh.PublicKey) func([64]byte) bool {
		return func(fp [64]byte) bool { return fp == IDOf(want) }
	}
	for _, c := range []struct {
		name   string
		cert   []byte
		listed func([64]byte) bool
		want   error
	}{
		{"good", cert, only(rpk), nil},
		{"not listed", cert, only(a.pub), ErrNotListed},
		{"no list", cert, nil, ErrNotListed},
		{"own static key", ownStatic, yes, ErrOwnKey},
		{"of another HSM", ofB, yes, ErrChain},
		{"a static certificate", a.static, yes, ErrRole},
		{"the issuing certificate", a.CertDER, yes, ErrRole},
		{"the root", a.RootDER, yes, ErrRole},
		{"empty", nil, yes, ErrProfile},
		{"trailing byte", append(append([]byte{}, cert...), 0), yes, ErrProfile},
	} {
		v := &RPKVerifier{IssuingDER: a.CertDER, Listed: c.listed, Own: only(a.pub)}
		key, err := v.VerifyRPK(c.cert)
		if !errors.Is(err, c.want) || (err == nil) != (key != nil && key.Equal(rpk)) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := (&RPKVerifier{IssuingDER: a.CertDER, Listed: yes}).VerifyRPK(cert); !errors.Is(err, ErrOwnKey) {
		t.Errorf("without Own: %v", err)
	}
	if pub, serial, err := ParseRPK(cert); err != nil || serial != "100" || !pub.Equal(rpk) {
		t.Errorf("ParseRPK: %v", err)
	}
	if _, _, err := ParseRPK(a.static); !errors.Is(err, ErrRole) {
		t.Errorf("ParseRPK of a static certificate: %v", err)
	}
}

// Each verifier refuses what the other one is for.
func TestOtherSide(t *testing.T) {
	root, _ := roots()
	a := newIdentity(t, root, "100", 1)
	if _, err := (&HSMVerifier{}).VerifyRPK(a.static); !errors.Is(err, ErrNotHere) {
		t.Error(err)
	}
	if _, _, err := (&RPKVerifier{}).VerifyHSM(a.Chain(a.static), true); !errors.Is(err, ErrNotHere) {
		t.Error(err)
	}
}

func TestFiles(t *testing.T) {
	root, other := roots()
	dir := filepath.Join(t.TempDir(), "origin")
	if err := root.Save(dir); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(dir, RootKeyFile)); err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", st.Mode(), err)
	}
	got, err := LoadOriginRoot(dir)
	if err != nil || !got.Cert.Equal(root.Cert) {
		t.Fatal(err)
	}
	a := newIdentity(t, got, "7", 1)
	if _, _, err := (&HSMVerifier{Roots: []*x509.Certificate{root.Cert}}).VerifyHSM(a.Chain(a.static), false); err != nil {
		t.Errorf("issued after loading: %v", err)
	}
	if err := other.Save(dir); !errors.Is(err, ErrRootExists) {
		t.Errorf("second root over the first: %v", err)
	}
	// Roots of several makers in one file.
	both := filepath.Join(dir, "both.pem")
	if err := os.WriteFile(both, append(RootPEM(root.Cert), RootPEM(other.Cert)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := LoadRoots(both); err != nil || len(r) != 2 {
		t.Errorf("two roots: %d, %v", len(r), err)
	}
	// The other root's certificate beside this root's key.
	if err := os.WriteFile(filepath.Join(dir, RootFile), RootPEM(other.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"mixed":      func() error { _, err := LoadOriginRoot(dir); return err },
		"no folder":  func() error { _, err := LoadOriginRoot(dir + "x"); return err },
		"key as pem": func() error { _, err := LoadRoots(filepath.Join(dir, RootKeyFile)); return err },
		"not pem": func() error {
			p := filepath.Join(dir, "x")
			os.WriteFile(p, []byte("hello"), 0o600)
			_, err := LoadRoots(p)
			return err
		},
		"huge": func() error {
			p := filepath.Join(dir, "y")
			os.WriteFile(p, make([]byte, pemfile.MaxSize+1), 0o600)
			_, err := LoadRoots(p)
			return err
		},
		"issuing as root": func() error {
			p := filepath.Join(dir, "z")
			c, _ := x509.ParseCertificate(a.CertDER)
			os.WriteFile(p, RootPEM(c), 0o600)
			_, err := LoadRoots(p)
			return err
		},
	} {
		if err := f(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMarshalIssuing(t *testing.T) {
	root, other := roots()
	a, b := newIdentity(t, root, "100", 1), newIdentity(t, root, "200", 1)
	enc, err := a.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := UnmarshalIssuing(enc)
	if err != nil || got.Serial != "100" || !got.Key.Equal(a.Key) {
		t.Fatal(err)
	}
	for name, i := range map[string]Issuing{
		"another key":      {b.Key, a.CertDER, a.RootDER, "100"},
		"another root":     {a.Key, a.CertDER, other.CertDER, "100"},
		"static as itself": {a.Key, a.static, a.RootDER, "100"},
		"root as itself":   {a.Key, a.RootDER, a.RootDER, "100"},
	} {
		enc, err := i.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := UnmarshalIssuing(enc); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for n := range enc {
		if _, err := UnmarshalIssuing(enc[:n]); err == nil {
			t.Fatalf("cut to %d bytes: accepted", n)
		}
	}
	if _, err := UnmarshalIssuing(append(enc, 0)); err == nil {
		t.Error("trailing byte: accepted")
	}
}

func TestNamesAndSerials(t *testing.T) {
	root, _ := roots()
	for s, ok := range map[string]bool{"1": true, "HSM-7": true, strings.Repeat("9", 32): true,
		"": false, strings.Repeat("9", 33): false, "a b": false, "ä": false, "1\n": false, "1_2": false} {
		if err := CheckSerial(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
		if _, err := root.NewIssuing(s); (err == nil) != ok {
			t.Errorf("issuing for %q: %v", s, err)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 65), "a\nb", "Wurzel für alle"} {
		if _, err := NewOriginRoot(name); err == nil {
			t.Errorf("root %q: accepted", name)
		}
	}
	for _, name := range []string{"x", "a@b_c", "A maker's root *1*"} {
		if _, err := NewOriginRoot(name); err != nil {
			t.Errorf("root %q: %v", name, err)
		}
	}
}

func TestSizes(t *testing.T) {
	root, _ := roots()
	a := newIdentity(t, root, strings.Repeat("9", 32), 1<<64-1)
	rpk, err := a.IssueRPK(a.pub)
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{"root": a.RootDER, "issuing": a.CertDER, "static": a.static, "rpk": rpk} {
		t.Logf("%s: %d bytes", name, len(der))
		if len(der) > 1024 {
			t.Errorf("%s: %d bytes", name, len(der))
		}
	}
	if n := len(SPKI(a.pub)); n != 158 {
		t.Errorf("SPKI of %d bytes", n)
	}
}

// One signature each time, the issuing certificate's only the first.
func BenchmarkVerifyHSM(b *testing.B) {
	root, _ := roots()
	a := newIdentity(b, root, "100", 1)
	v, chain := &HSMVerifier{Roots: []*x509.Certificate{root.Cert}}, a.Chain(a.static)
	for b.Loop() {
		if _, _, err := v.VerifyHSM(chain, false); err != nil {
			b.Fatal(err)
		}
	}
}

// Both signatures, as in the first handshake of a process.
func BenchmarkVerifyHSMFirst(b *testing.B) {
	root, _ := roots()
	a := newIdentity(b, root, "100", 1)
	chain := a.Chain(a.static)
	for b.Loop() {
		v := &HSMVerifier{Roots: []*x509.Certificate{root.Cert}}
		if _, _, err := v.VerifyHSM(chain, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyRPK(b *testing.B) {
	root, _ := roots()
	a := newIdentity(b, root, "100", 1)
	cert, err := a.IssueRPK(newKey(b).PublicKey())
	if err != nil {
		b.Fatal(err)
	}
	v := &RPKVerifier{IssuingDER: a.CertDER, Listed: func([64]byte) bool { return true }, Own: func([64]byte) bool { return false }}
	for b.Loop() {
		if _, err := v.VerifyRPK(cert); err != nil {
			b.Fatal(err)
		}
	}
}

// The floor of BenchmarkVerifyHSM: its two signatures.
func BenchmarkTwoSignatures(b *testing.B) {
	root, _ := roots()
	digest := sha512.Sum512([]byte("x"))
	sig, err := ecdsa.SignASN1(rand.Reader, root.key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for range 2 {
			if !ecdsa.VerifyASN1(&root.key.PublicKey, digest[:], sig) {
				b.Fatal("refused")
			}
		}
	}
}

// TestMemo: what was verified once opens no door to anything else.
func TestMemo(t *testing.T) {
	root, other := roots()
	a := newIdentity(t, root, "100", 5)
	v := &HSMVerifier{Roots: []*x509.Certificate{root.Cert}}
	good := func(want error) {
		t.Helper()
		if _, _, err := v.VerifyHSM(a.Chain(a.static), false); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	for range 3 {
		good(nil)
	}
	if len(v.issuing.good) != 1 {
		t.Errorf("%d entries", len(v.issuing.good))
	}
	for i := range a.CertDER {
		changed := bytes.Clone(a.CertDER)
		changed[i] ^= 1
		if _, _, err := v.VerifyHSM([][]byte{a.static, changed, a.RootDER}, false); err == nil {
			t.Fatalf("byte %d of the issuing certificate changed: accepted", i)
		}
	}
	changed := bytes.Clone(a.static)
	changed[len(changed)-1] ^= 1
	if _, _, err := v.VerifyHSM([][]byte{changed, a.CertDER, a.RootDER}, false); err == nil {
		t.Error("static certificate changed: accepted")
	}
	// A root that is no longer known takes its issuing keys with it.
	v.Roots = []*x509.Certificate{other.Cert}
	good(ErrUnknownRoot)
	if _, _, err := v.VerifyHSM(a.Chain(a.static), true); err != nil || len(v.issuing.good) != 1 {
		t.Errorf("unknown roots fill the memory: %d entries, %v", len(v.issuing.good), err)
	}

	listed := true
	r := &RPKVerifier{IssuingDER: a.CertDER, Listed: func([64]byte) bool { return listed }, Own: func([64]byte) bool { return false }}
	cert, err := a.IssueRPK(newKey(t).PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.VerifyRPK(cert); err != nil {
			t.Error(err)
		}
	}
	listed = false
	if _, err := r.VerifyRPK(cert); !errors.Is(err, ErrNotListed) {
		t.Errorf("verified before, but listed no more: %v", err)
	}
	var m memo
	for i := range 3 * memoSize {
		m.add([64]byte{byte(i), 1})
		if !m.has([64]byte{byte(i), 1}) || len(m.good) > memoSize {
			t.Fatal("memory out of bounds")
		}
	}
}
