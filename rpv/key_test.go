package rpv

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"

	"openped/internal/secret"
	"openped/protocol"
)

// orange makes the parameters those of an orange key's set.
func orange(t testing.TB) func(*SetParams) {
	t.Helper()
	k, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return func(p *SetParams) {
		p.Type, p.RPKPrivate, p.RPKCert = protocol.KeyRPK, secret.From(k.Bytes()), []byte("certificate")
	}
}

func TestNewSetRules(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*SetParams)
		want   error
	}{
		"good":              {func(p *SetParams) {}, nil},
		"orange":            {orange(t), nil},
		"PIN":               {func(p *SetParams) { p.PIN = []byte("0123") }, ErrPIN},
		"no set id":         {func(p *SetParams) { p.ID = protocol.SetID{} }, ErrSet},
		"type 0":            {func(p *SetParams) { p.Type = 0 }, ErrSet},
		"type 6":            {func(p *SetParams) { p.Type = 6 }, ErrSet},
		"index 0":           {func(p *SetParams) { p.Index = 0 }, ErrShareIndex},
		"index over n":      {func(p *SetParams) { p.Index = 4 }, ErrShareIndex},
		"m over n":          {func(p *SetParams) { p.M = 4 }, ErrQuorum},
		"n 17":              {func(p *SetParams) { p.N = 17 }, ErrQuorum},
		"short share":       {func(p *SetParams) { p.Share = secret.New(63) }, ErrSecretSize},
		"no share":          {func(p *SetParams) { p.Share = nil }, ErrSecretSize},
		"cost":              {func(p *SetParams) { p.Cost.Time = 17 }, ErrArgon},
		"orange, no RPK":    {func(p *SetParams) { p.Type = protocol.KeyRPK }, ErrSet},
		"blue with RPK":     {func(p *SetParams) { orange(t)(p); p.Type = protocol.KeySO }, ErrSet},
		"RPK zero":          {func(p *SetParams) { orange(t)(p); p.RPKPrivate = secret.New(66) }, ErrSet},
		"RPK short":         {func(p *SetParams) { orange(t)(p); p.RPKPrivate = secret.Random(32) }, ErrSet},
		"RPK over order":    {func(p *SetParams) { orange(t)(p); p.RPKPrivate.Bytes()[0] = 0xff }, ErrSet},
		"no certificate":    {func(p *SetParams) { orange(t)(p); p.RPKCert = nil }, ErrSet},
		"large certificate": {func(p *SetParams) { orange(t)(p); p.RPKCert = make([]byte, MaxRPKCert+1) }, ErrSet},
	} {
		p := SetParams{ID: protocol.SetID{1}, Type: protocol.KeySO, Index: 2, M: 2, N: 3,
			PIN: []byte("1234"), Share: secret.Random(SecretSize), Cost: LightCost()}
		c.change(&p)
		if s, err := NewSet(p); !errors.Is(err, c.want) || (s == nil) != (err != nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func id(n byte) func(*SetParams) { return func(p *SetParams) { p.ID = protocol.SetID{n} } }

func TestPromoteAndErase(t *testing.T) {
	k := NewBlank()
	if !k.Blank() || k.Type != 0 || k.Serial.IsZero() || k.Serial == NewBlank().Serial {
		t.Fatal("not blank")
	}
	a, _ := testSet(t, "", id(1))
	b, _ := testSet(t, "", id(2), func(p *SetParams) { p.Type = protocol.KeyDomain })
	if err := k.Promote(a.ID); !errors.Is(err, ErrNoPending) {
		t.Errorf("promote on blank: %v", err)
	}
	if err := k.WritePending(a); err != nil || k.Blank() || k.Type != protocol.KeySO || k.Current != nil {
		t.Fatalf("first pending: %v", err)
	}
	if err := k.Promote(b.ID); !errors.Is(err, ErrNoPending) || k.Pending != a {
		t.Errorf("promote of another set: %v", err)
	}
	for range 2 { // twice is as good as once
		if err := k.Promote(a.ID); err != nil || k.Current != a || k.Pending != nil {
			t.Fatalf("promote: %v", err)
		}
	}
	// Another colour over it: the key stays blue until the HSM has said so.
	if err := k.WritePending(b); err != nil || k.Type != protocol.KeySO || k.Current != a {
		t.Fatalf("second pending: %v", err)
	}
	if c, p := k.Sets(protocol.KeySO); c != a || p != nil {
		t.Error("blue sets")
	}
	if c, p := k.Sets(protocol.KeyDomain); c != nil || p != b {
		t.Error("red sets")
	}
	// The current set is not promoted past a pending one.
	if err := k.Promote(a.ID); !errors.Is(err, ErrNoPending) || k.Pending != b {
		t.Errorf("promote of the current set: %v", err)
	}
	share, err := a.Unmask(nil)
	if err != nil {
		t.Fatal(err)
	}
	k.ErasePending()
	k.ErasePending()
	if got, err := k.Current.Unmask(nil); err != nil || !got.Equal(share) || k.Pending != nil {
		t.Error("erasing the pending set touched the current one")
	}
	b, _ = testSet(t, "", id(2), func(p *SetParams) { p.Type = protocol.KeyDomain })
	if err := k.WritePending(b); err != nil {
		t.Fatal(err)
	}
	if err := k.Promote(b.ID); err != nil || k.Type != protocol.KeyDomain || k.Current != b {
		t.Errorf("promote: %v", err)
	}
	if a.Masked != ([SecretSize]byte{}) {
		t.Error("the replaced set was not wiped")
	}
	// A set that breaks the rules changes nothing.
	bad, _ := testSet(t, "", id(3))
	bad.Index = 9
	if err := k.WritePending(bad); !errors.Is(err, ErrShareIndex) || k.Pending != nil {
		t.Errorf("bad set: %v", err)
	}
}

func TestIssuersAndCounters(t *testing.T) {
	h1, h2, h3 := Fingerprint{9}, Fingerprint{2}, Fingerprint{3}
	k := NewBlank()
	if err := k.AddIssuer(h2); !errors.Is(err, ErrSet) {
		t.Errorf("issuer on blank: %v", err)
	}
	if err := k.CheckCounter(h1, 5); !errors.Is(err, ErrUnlisted) {
		t.Errorf("counter on blank: %v", err)
	}
	a, _ := testSet(t, "", id(1)) // lists h1
	if err := errors.Join(k.WritePending(a), k.Promote(a.ID)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.AddIssuer(h2), k.AddIssuer(h2)); err != nil || len(k.Current.Issuers) != 2 {
		t.Errorf("issuer: %v", err)
	}
	for _, c := range []struct {
		fp   Fingerprint
		n    uint64
		want error
	}{{h1, 5, nil}, {h1, 5, nil}, {h1, 4, ErrCounter}, {h1, 0, ErrCounter}, {h1, 7, nil}, {h1, 6, ErrCounter},
		{h2, 1, nil}, {h2, 1<<64 - 1, nil}, {h2, 1<<64 - 2, ErrCounter}, {h3, 9, ErrUnlisted}} {
		if err := k.CheckCounter(c.fp, c.n); !errors.Is(err, c.want) {
			t.Errorf("counter %d of %d: %v, want %v", c.n, c.fp[0], err, c.want)
		}
	}
	// A new set of the same HSM does not forget what was seen of it, nor learn
	// about an HSM that it does not serve.
	b, _ := testSet(t, "", id(2))
	if err := k.WritePending(b); err != nil || len(b.Counters) != 1 || b.Counters[h1] != 7 {
		t.Errorf("pending: %v %v", b.Counters, err)
	}
	if err := k.CheckCounter(h1, 6); !errors.Is(err, ErrCounter) {
		t.Errorf("after a new set: %v", err)
	}
	if err := k.CheckCounter(h1, 8); err != nil {
		t.Error(err)
	}
	if err := k.Promote(b.ID); err != nil {
		t.Fatal(err)
	}
	if err := k.CheckCounter(h1, 7); !errors.Is(err, ErrCounter) {
		t.Errorf("after promotion: %v", err)
	}
	for i := byte(10); len(k.Current.Issuers) < MaxIssuers; i++ {
		if err := k.AddIssuer(Fingerprint{i, 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.AddIssuer(h3); !errors.Is(err, ErrListFull) {
		t.Errorf("17th issuer: %v", err)
	}
	if _, err := k.Encode(); err != nil {
		t.Errorf("full lists: %v", err)
	}
}

func TestRPKCerts(t *testing.T) {
	h2 := Fingerprint{2}
	k := NewBlank()
	if err := k.AddRPKCert(h2, []byte("x")); !errors.Is(err, ErrNotOrange) {
		t.Errorf("on blank: %v", err)
	}
	s, _ := testSet(t, "1234", orange(t))
	if err := errors.Join(k.WritePending(s), k.Promote(s.ID)); err != nil {
		t.Fatal(err)
	}
	for _, der := range [][]byte{nil, make([]byte, MaxRPKCert+1)} {
		if err := k.AddRPKCert(h2, der); !errors.Is(err, ErrSet) || s.Lists(h2) {
			t.Errorf("certificate of %d bytes: %v", len(der), err)
		}
	}
	for _, der := range []string{"first", "second"} {
		if err := k.AddRPKCert(h2, []byte(der)); err != nil || string(s.RPK.Cert(h2)) != der || len(s.RPK.Certs) != 2 || !s.Lists(h2) {
			t.Errorf("%s: %v", der, err)
		}
	}
	if s.RPK.Cert(Fingerprint{77}) != nil || (*RPK)(nil).Cert(h2) != nil {
		t.Error("a certificate from nowhere")
	}
}

func TestCloneAndDestroy(t *testing.T) {
	k := NewBlank()
	s, _ := testSet(t, "1234", orange(t))
	if err := errors.Join(k.WritePending(s), k.Promote(s.ID)); err != nil {
		t.Fatal(err)
	}
	c := k.Clone()
	want, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.CheckCounter(Fingerprint{9}, 3); err != nil {
		t.Fatal(err)
	}
	k.Current.Issuers[0] = Fingerprint{1}
	k.Destroy()
	if got, err := c.Encode(); err != nil || string(got) != string(want) {
		t.Errorf("the copy changed with the original: %v", err)
	}
	if k.Current.RPK.Private.Len() != 0 || k.Current.Masked != ([SecretSize]byte{}) {
		t.Error("not wiped")
	}
	NewBlank().Destroy()
	(*Key)(nil).Destroy()
}
