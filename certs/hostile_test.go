package certs

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"
)

// forge signs a certificate of a role after change has had its way with it:
// what somebody with a real key, or a careless maker, could produce.
type forge struct {
	role    Role
	name    pkix.Name
	pub     any
	counter uint64
	parent  *x509.Certificate
	key     *ecdsa.PrivateKey
	change  func(*x509.Certificate)
}

func (f forge) sign(t testing.TB) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(f.pub)
	if err != nil {
		t.Fatal(err)
	}
	c, err := template(f.role, f.name, spki, f.counter)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(7)
	if f.role == RoleOrigin {
		c.AuthorityKeyId = c.SubjectKeyId
	}
	if f.parent == nil {
		f.parent = c
	}
	if f.change != nil {
		f.change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, f.parent, f.pub, f.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func mustParse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with adds an extension, or replaces the one of the same OID.
func with(oid asn1.ObjectIdentifier, critical bool, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		without(oid)(c)
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	}
}

func without(oid asn1.ObjectIdentifier) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		var keep []pkix.Extension
		for _, e := range c.ExtraExtensions {
			if !e.Id.Equal(oid) {
				keep = append(keep, e)
			}
		}
		c.ExtraExtensions = keep
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Each of these is what the profile forbids, properly signed by the real issuing
// key (or, below, the real origin root).
func TestHostileLeaf(t *testing.T) {
	root, _ := roots()
	a := newIdentity(t, root, "100", 5)
	v := &HSMVerifier{Roots: []*x509.Certificate{root.Cert}}
	issuing := mustParse(t, a.CertDER)
	unknown := asn1.ObjectIdentifier{2, 999, 18033, 99}
	huge := make([]byte, MaxCert)
	base := func() forge {
		return forge{RoleStatic, subject(RoleStatic, "100"), a.pub, 5, issuing, a.Key, nil}
	}
	type change = func(*x509.Certificate)
	for _, c := range []struct {
		name   string
		change change
		want   error
	}{
		{"nothing changed", nil, nil},
		{"unknown extension, not critical", with(unknown, false, []byte{5, 0}), nil},
		{"unknown critical extension", with(unknown, true, []byte{5, 0}), ErrProfile},
		{"known to X.509 but not to the profile", func(c *x509.Certificate) {
			with(asn1.ObjectIdentifier{2, 5, 29, 37}, true, marshal(t, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 1}}))(c)
		}, ErrProfile},
		{"no role", without(oidRole), ErrRole},
		{"role origin", with(oidRole, true, marshal(t, asn1.Enumerated(1))), ErrRole},
		{"role issuing", with(oidRole, true, marshal(t, asn1.Enumerated(2))), ErrRole},
		{"role rpk", with(oidRole, true, marshal(t, asn1.Enumerated(4))), ErrRole},
		{"role 5", with(oidRole, true, marshal(t, asn1.Enumerated(5))), ErrRole},
		{"role not critical", with(oidRole, false, marshal(t, asn1.Enumerated(3))), ErrProfile},
		{"role as INTEGER", with(oidRole, true, marshal(t, 3)), ErrProfile},
		{"role and more", with(oidRole, true, append(marshal(t, asn1.Enumerated(3)), 0)), ErrProfile},
		{"no counter", without(oidStartCounter), ErrProfile},
		{"counter not critical", with(oidStartCounter, false, marshal(t, 5)), ErrProfile},
		{"counter negative", with(oidStartCounter, true, marshal(t, -1)), ErrProfile},
		{"counter 2^64", with(oidStartCounter, true, marshal(t, new(big.Int).Lsh(big.NewInt(1), 64))), ErrProfile},
		{"counter not minimal", with(oidStartCounter, true, []byte{2, 2, 0, 5}), ErrProfile},
		{"counter and more", with(oidStartCounter, true, append(marshal(t, 5), 5, 0)), ErrProfile},
		{"may sign", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature }, ErrProfile},
		{"may certify", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }, ErrProfile},
		{"no key usage", func(c *x509.Certificate) { c.KeyUsage = 0 }, ErrProfile},
		{"is a CA", func(c *x509.Certificate) { c.IsCA = true }, ErrProfile},
		{"no basic constraints", func(c *x509.Certificate) { c.BasicConstraintsValid = false }, ErrProfile},
		{"ends", func(c *x509.Certificate) { c.NotAfter = time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC) }, ErrProfile},
		{"starts", func(c *x509.Certificate) { c.NotBefore = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }, ErrProfile},
		{"SHA-256", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA256 }, ErrProfile},
		{"SHA-384", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA384 }, ErrProfile},
		{"serial of another HSM", func(c *x509.Certificate) { c.Subject = subject(RoleStatic, "200") }, ErrChain},
		{"no serial", func(c *x509.Certificate) { c.Subject.SerialNumber = "" }, ErrProfile},
		{"serial not printable", func(c *x509.Certificate) { c.Subject.SerialNumber = "1\n2" }, ErrProfile},
		{"name of another role", func(c *x509.Certificate) { c.Subject = subject(RoleRPK, "100") }, ErrProfile},
		{"one more name", func(c *x509.Certificate) { c.Subject.Country = []string{"CH"} }, ErrProfile},
		{"second serial", func(c *x509.Certificate) {
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{
				{Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: "200"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: "100"}}
		}, ErrProfile},
		{"other key id", func(c *x509.Certificate) { c.SubjectKeyId = make([]byte, 20) }, ErrProfile},
		{"no key id", func(c *x509.Certificate) { c.SubjectKeyId = nil }, ErrProfile},
		{"key id critical", with(oidSubjectKeyID, true, marshal(t, keyID(SPKI(a.pub)))), ErrProfile},
		{"larger than the cap", with(unknown, false, huge), ErrProfile},
	} {
		f := base()
		f.change = c.change
		_, key, err := v.VerifyHSM([][]byte{f.sign(t), a.CertDER, a.RootDER}, false)
		if !errors.Is(err, c.want) || (err == nil) != (key != nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}

	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdh.P384().GenerateKey(rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	stranger := newIdentity(t, root, "100", 5) // same serial, own issuing key
	for _, c := range []struct {
		name   string
		change func(*forge)
		want   error
	}{
		{"P-256 key", func(f *forge) { f.pub = p256.Public() }, ErrProfile},
		{"P-384 key", func(f *forge) { f.pub = p384.Public() }, ErrProfile},
		{"RSA key", func(f *forge) { f.pub = rsaKey.Public() }, ErrProfile},
		{"issuing key as static key", func(f *forge) { f.pub = &a.Key.PublicKey }, ErrChain},
		{"root key as static key", func(f *forge) { f.pub = &root.key.PublicKey }, ErrChain},
		{"signed by the root", func(f *forge) { f.parent, f.key = root.Cert, root.key }, ErrChain},
		{"signed by another issuing key", func(f *forge) { f.parent, f.key = mustParse(t, stranger.CertDER), stranger.Key }, ErrChain},
		{"signed by itself", func(f *forge) { f.parent, f.key, f.pub = nil, stranger.Key, &stranger.Key.PublicKey }, ErrProfile},
		{"another's signature under our names", func(f *forge) {
			p := *issuing
			p.PublicKey = &stranger.Key.PublicKey
			f.parent, f.key = &p, stranger.Key
		}, ErrSignature},
		{"other issuer name", func(f *forge) {
			p := *issuing
			p.RawSubject = subjectDER(RoleIssuing, "200")
			f.parent = &p
		}, ErrChain},
		{"other issuer key id", func(f *forge) {
			p := *issuing
			p.SubjectKeyId = make([]byte, 20)
			f.parent = &p
		}, ErrChain},
	} {
		f := base()
		c.change(&f)
		if _, _, err := v.VerifyHSM([][]byte{f.sign(t), a.CertDER, a.RootDER}, false); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestHostileIssuing(t *testing.T) {
	root, _ := roots()
	a := newIdentity(t, root, "100", 5)
	v := &HSMVerifier{Roots: []*x509.Certificate{root.Cert}}
	for _, c := range []struct {
		name   string
		change func(*x509.Certificate)
		want   error
	}{
		{"nothing changed", nil, nil},
		{"no path length", func(c *x509.Certificate) { c.MaxPathLenZero, c.MaxPathLen = false, -1 }, ErrProfile},
		{"path length 1", func(c *x509.Certificate) { c.MaxPathLen = 1 }, ErrProfile},
		{"no CA", func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero, c.MaxPathLen = false, false, -1 }, ErrProfile},
		{"may agree on keys", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyAgreement }, ErrProfile},
		{"may sign", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature }, ErrProfile},
		{"role origin", with(oidRole, true, marshal(t, asn1.Enumerated(1))), ErrRole},
		{"role static", with(oidRole, true, marshal(t, asn1.Enumerated(3))), ErrRole},
		{"no role", without(oidRole), ErrRole},
		{"start counter", with(oidStartCounter, true, marshal(t, 1)), ErrProfile},
		{"name constraints", func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"x"}, true
		}, ErrProfile},
		{"serial of another HSM", func(c *x509.Certificate) { c.Subject = subject(RoleIssuing, "200") }, ErrChain},
		{"serial too long", func(c *x509.Certificate) { c.Subject.SerialNumber = string(bytes.Repeat([]byte("1"), 33)) }, ErrProfile},
		{"ends", func(c *x509.Certificate) { c.NotAfter = time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC) }, ErrProfile},
		{"SHA-256", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA256 }, ErrProfile},
	} {
		f := forge{RoleIssuing, subject(RoleIssuing, "100"), &a.Key.PublicKey, 0, root.Cert, root.key, c.change}
		if _, _, err := v.VerifyHSM([][]byte{a.static, f.sign(t)}, false); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// An HSM's issuing key must not make other HSMs.
	other := newIdentity(t, root, "200", 5)
	sub := forge{RoleIssuing, subject(RoleIssuing, "200"), &other.Key.PublicKey, 0, mustParse(t, a.CertDER), a.Key, nil}.sign(t)
	for name, chain := range map[string][][]byte{
		"issuing key as root": {other.static, sub, a.CertDER},
		"issuing below root":  {other.static, sub, a.RootDER},
		"four levels":         {other.static, sub, a.CertDER, a.RootDER},
	} {
		for _, unknownOK := range []bool{false, true} {
			if _, _, err := v.VerifyHSM(chain, unknownOK); !errors.Is(err, ErrRole) && !errors.Is(err, ErrChain) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestHostileRoot(t *testing.T) {
	root, other := roots()
	name := pkix.Name{CommonName: "Test origin"}
	for _, c := range []struct {
		name   string
		change func(*x509.Certificate)
		want   error
	}{
		{"nothing changed", nil, nil},
		{"path length 0", func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }, ErrProfile},
		{"path length 2", func(c *x509.Certificate) { c.MaxPathLen = 2 }, ErrProfile},
		{"no path length", func(c *x509.Certificate) { c.MaxPathLen = -1 }, ErrProfile},
		{"role issuing", with(oidRole, true, marshal(t, asn1.Enumerated(2))), ErrRole},
		{"has an HSM serial", func(c *x509.Certificate) { c.Subject.SerialNumber = "100" }, ErrProfile},
		{"unknown critical extension", with(asn1.ObjectIdentifier{2, 999, 1}, true, []byte{5, 0}), ErrProfile},
		{"may sign lists", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }, ErrProfile},
	} {
		der := forge{RoleOrigin, name, &root.key.PublicKey, 0, nil, root.key, c.change}.sign(t)
		if _, err := ParseRoot(der); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// Not signed by itself: somebody else's signature under its own name.
	fake := *root.Cert
	fake.PublicKey = &other.key.PublicKey
	der := forge{RoleOrigin, name, &root.key.PublicKey, 0, &fake, other.key, nil}.sign(t)
	if _, err := ParseRoot(der); !errors.Is(err, ErrSignature) {
		t.Errorf("signed by another: %v", err)
	}
	a := newIdentity(t, root, "100", 5)
	if _, _, err := (&HSMVerifier{}).VerifyHSM([][]byte{a.static, a.CertDER, der}, true); !errors.Is(err, ErrSignature) {
		t.Errorf("unknown root signed by another: %v", err)
	}
}

// Certificates that are each in order, at places where they do not belong.
func TestHostileChain(t *testing.T) {
	root, _ := roots()
	a, b := newIdentity(t, root, "100", 5), newIdentity(t, root, "200", 5)
	twin := newIdentity(t, root, "100", 5) // the serial issued twice
	rpk, err := a.IssueRPK(a.pub)
	if err != nil {
		t.Fatal(err)
	}
	v := &HSMVerifier{Roots: []*x509.Certificate{root.Cert}}
	for name, c := range map[string]struct {
		chain [][]byte
		want  error
	}{
		"none":                        {nil, ErrChain},
		"static only":                 {[][]byte{a.static}, ErrChain},
		"four":                        {[][]byte{a.static, a.CertDER, a.RootDER, a.RootDER}, ErrChain},
		"RPK as static":               {[][]byte{rpk, a.CertDER, a.RootDER}, ErrRole},
		"issuing as static":           {[][]byte{a.CertDER, a.CertDER, a.RootDER}, ErrRole},
		"static as issuing":           {[][]byte{a.static, a.static, a.RootDER}, ErrRole},
		"root as issuing":             {[][]byte{a.static, a.RootDER, a.RootDER}, ErrRole},
		"issuing as root":             {[][]byte{a.static, a.CertDER, a.CertDER}, ErrRole},
		"reversed":                    {[][]byte{a.RootDER, a.CertDER, a.static}, ErrRole},
		"static of another HSM":       {[][]byte{b.static, a.CertDER, a.RootDER}, ErrChain},
		"issuing of another HSM":      {[][]byte{a.static, b.CertDER, b.RootDER}, ErrChain},
		"same serial, another key":    {[][]byte{a.static, twin.CertDER, a.RootDER}, ErrChain},
		"empty certificate":           {[][]byte{{}, a.CertDER, a.RootDER}, ErrProfile},
		"empty root":                  {[][]byte{a.static, a.CertDER, nil}, ErrProfile},
		"trailing byte after static":  {[][]byte{append(bytes.Clone(a.static), 0), a.CertDER}, ErrProfile},
		"trailing byte after issuing": {[][]byte{a.static, append(bytes.Clone(a.CertDER), 0)}, ErrProfile},
	} {
		for _, unknownOK := range []bool{false, true} {
			id, key, err := v.VerifyHSM(c.chain, unknownOK)
			if !errors.Is(err, c.want) || key != nil || id.Serial != "" {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	}
}

// TestEveryBit: no bit of what the signatures cover, or of the signatures, can
// be changed.
func TestEveryBit(t *testing.T) {
	root, _ := roots()
	a := newIdentity(t, root, "100", 5)
	v := &HSMVerifier{Roots: []*x509.Certificate{root.Cert}}
	for level, der := range [][]byte{a.static, a.CertDER} {
		chain := [][]byte{a.static, a.CertDER}
		for i := range der {
			changed := bytes.Clone(der)
			changed[i] ^= 1 << (i % 8)
			chain[level] = changed
			if _, _, err := v.VerifyHSM(chain, true); err == nil {
				t.Fatalf("certificate %d, byte %d changed: accepted", level, i)
			}
		}
	}
}

func FuzzChain(f *testing.F) {
	root, _ := roots()
	a := newIdentity(f, root, "100", 5)
	rpk, err := a.IssueRPK(a.pub)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.static, a.CertDER, a.RootDER)
	f.Add(rpk, a.CertDER, a.RootDER)
	f.Add(a.static, a.static, []byte{})
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, a.CertDER, a.RootDER)
	v := &HSMVerifier{Roots: []*x509.Certificate{root.Cert}}
	f.Fuzz(func(t *testing.T, static, issuing, rootDER []byte) {
		_, key, err := v.VerifyHSM([][]byte{static, issuing, rootDER}, false)
		if err == nil && (!bytes.Equal(static, a.static) || !bytes.Equal(issuing, a.CertDER)) {
			t.Fatal("a chain that nobody issued was accepted")
		}
		if (err == nil) != (key != nil) {
			t.Fatal("key and error disagree")
		}
	})
}

func FuzzStaticCert(f *testing.F) {
	root, _ := roots()
	a := newIdentity(f, root, "100", 5)
	rpk, err := a.IssueRPK(a.pub)
	if err != nil {
		f.Fatal(err)
	}
	for _, der := range [][]byte{a.static, a.CertDER, a.RootDER, rpk, {}, {0x30, 0x80}} {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		accepted := 0
		for role := RoleOrigin; role <= RoleRPK; role++ {
			p, err := parse(der, role)
			if err != nil {
				continue
			}
			accepted++
			if role != RoleOrigin && CheckSerial(p.serial) != nil || !bytes.Equal(p.Raw, der) {
				t.Fatalf("%s: accepted with serial %q", role, p.serial)
			}
			if _, err := p.ecdh(); err != nil {
				t.Fatal("accepted without a usable key")
			}
		}
		if accepted > 1 {
			t.Fatal("one certificate, two roles")
		}
	})
}

func FuzzUnmarshalIssuing(f *testing.F) {
	root, _ := roots()
	a := newIdentity(f, root, "100", 5)
	enc, err := a.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(enc)
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := UnmarshalIssuing(b)
		if err != nil {
			return
		}
		again, err := i.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := UnmarshalIssuing(again); err != nil {
			t.Fatal(err)
		}
	})
}
