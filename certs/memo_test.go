package certs

import (
	"bytes"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// To see these fail: let memoKey hash less (the certificate's TBS, or no parent
// key), let signedBy add before it verifies, or ask Listed only when the
// signature is not remembered.

// TestMemoRPK: after a certificate is remembered, no byte of it may differ, and
// the lists are asked every time.
func TestMemoRPK(t *testing.T) {
	root, _ := roots()
	a := newIdentity(t, root, "100", 1)
	cert, err := a.IssueRPK(newKey(t).PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	var listed, own int
	answer := [2]bool{true, false}
	v := &RPKVerifier{IssuingDER: a.CertDER,
		Listed: func([64]byte) bool { listed++; return answer[0] },
		Own:    func([64]byte) bool { own++; return answer[1] }}
	for n := 1; n <= 3; n++ {
		if _, err := v.VerifyRPK(cert); err != nil || listed != n || own != n {
			t.Fatalf("call %d: %v; Listed asked %d times, Own %d times", n, err, listed, own)
		}
	}
	for i := range cert {
		changed := bytes.Clone(cert)
		changed[i] ^= 1 << (i % 8)
		if _, err := v.VerifyRPK(changed); err == nil {
			t.Fatalf("byte %d changed: accepted", i)
		}
	}
	if n := len(v.rpks.good); n != 1 {
		t.Errorf("%d entries, want the one good certificate", n)
	}
	answer[0] = false
	if _, err := v.VerifyRPK(cert); !errors.Is(err, ErrNotListed) {
		t.Errorf("no longer listed: %v", err)
	}
	answer = [2]bool{true, true}
	if _, err := v.VerifyRPK(cert); !errors.Is(err, ErrOwnKey) {
		t.Errorf("own key: %v", err)
	}
	// The memory is of signatures by this issuing key, not by any.
	b := newIdentity(t, root, "100", 1)
	v.IssuingDER, answer = b.CertDER, [2]bool{true, false}
	if _, err := v.VerifyRPK(cert); err == nil {
		t.Error("under another issuing key: accepted")
	}
}

// TestMemoRefuses: what is not genuine is looked at each time and never kept,
// and what was kept of one key says nothing of another.
func TestMemoRefuses(t *testing.T) {
	root, other := roots()
	a := newIdentity(t, root, "100", 1)
	issuing, err := parse(a.CertDER, RoleIssuing)
	if err != nil {
		t.Fatal(err)
	}
	by, err := parse(root.CertDER, RoleOrigin)
	if err != nil {
		t.Fatal(err)
	}
	var m memo
	broken := *issuing.Certificate
	broken.Signature = bytes.Clone(broken.Signature)
	broken.Signature[len(broken.Signature)-1] ^= 1
	broken.Raw = bytes.Clone(broken.Raw)
	broken.Raw[len(broken.Raw)-1] ^= 1
	forged := *issuing
	forged.Certificate = &broken
	for range 2 {
		if err := forged.signedBy(by, &m); !errors.Is(err, ErrSignature) || len(m.good) != 0 {
			t.Fatalf("forged: %v, %d entries", err, len(m.good))
		}
	}
	if err := issuing.signedBy(by, &m); err != nil || len(m.good) != 1 {
		t.Fatalf("genuine: %v, %d entries", err, len(m.good))
	}
	if err := forged.signedBy(by, &m); !errors.Is(err, ErrSignature) {
		t.Errorf("forged after the genuine one: %v", err)
	}
	// A root of the same name and key identifier, but with another key.
	stranger, err := parse(other.CertDER, RoleOrigin)
	if err != nil {
		t.Fatal(err)
	}
	posing := *stranger.Certificate
	posing.SubjectKeyId = by.SubjectKeyId
	stranger.Certificate = &posing
	if err := issuing.signedBy(stranger, &m); !errors.Is(err, ErrSignature) {
		t.Errorf("under another root: %v", err)
	}
}

// TestMemoConcurrent is for the race detector.
func TestMemoConcurrent(t *testing.T) {
	root, _ := roots()
	a, b := newIdentity(t, root, "100", 1), newIdentity(t, root, "200", 1)
	v := &HSMVerifier{Roots: []*x509.Certificate{root.Cert}}
	var wrong atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				for _, x := range []identity{a, b} {
					id, key, err := v.VerifyHSM(x.Chain(x.static), false)
					if err != nil || id.Serial != x.Serial || !key.Equal(x.pub) {
						wrong.Add(1)
					}
				}
				if _, _, err := v.VerifyHSM([][]byte{a.static, b.CertDER, a.RootDER}, false); err == nil {
					wrong.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if wrong.Load() != 0 || len(v.issuing.good) != 2 {
		t.Errorf("%d wrong answers, %d entries", wrong.Load(), len(v.issuing.good))
	}
}
