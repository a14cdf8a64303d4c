package rpv

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"openped/internal/secret"
	"openped/protocol"
)

func TestCheckPIN(t *testing.T) {
	for pin, ok := range map[string]bool{
		"": true, "1234": true, "9000": true, strings.Repeat("7", 48): true,
		"123": false, "1": false, "0123": false, strings.Repeat("7", 49): false,
		"12a4": false, "12 4": false, "-123": false, "１２３４": false,
	} {
		if err := CheckPIN([]byte(pin)); (err == nil) != ok || err != nil && !errors.Is(err, ErrPIN) {
			t.Errorf("%q: %v", pin, err)
		}
	}
}

func TestArgonBounds(t *testing.T) {
	for _, p := range []ArgonParams{DefaultCost(), LightCost(), {16, 256 << 10, 4}, {1, 32, 4}} {
		if err := p.Check(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, p := range []ArgonParams{{}, {0, 8, 1}, {17, 8, 1}, {1, 7, 1}, {1, 256<<10 + 1, 1}, {1, 8, 0}, {1, 64, 5}, {1, 31, 4},
		{1 << 31, 1 << 31, 255}} {
		if err := p.Check(); !errors.Is(err, ErrArgon) {
			t.Errorf("%+v: %v", p, err)
		}
		// Nothing is computed, or even allocated, for them.
		s := &Set{HasPIN: true, Argon: p}
		if _, err := s.Unmask([]byte("1234")); !errors.Is(err, ErrArgon) {
			t.Errorf("%+v: unmask: %v", p, err)
		}
	}
}

// testSet makes a set with the least cost.
func testSet(t testing.TB, pin string, change ...func(*SetParams)) (*Set, *secret.Buffer) {
	t.Helper()
	share := secret.Random(SecretSize)
	p := SetParams{ID: protocol.SetID{1}, Type: protocol.KeySO, Index: 2, M: 2, N: 3,
		PIN: []byte(pin), Share: share, Cost: LightCost(), Issuer: Fingerprint{9}}
	for _, f := range change {
		f(&p)
	}
	s, err := NewSet(p)
	if err != nil {
		t.Fatal(err)
	}
	return s, share
}

func TestUnmask(t *testing.T) {
	s, share := testSet(t, "271828")
	if bytes.Equal(s.Masked[:], share.Bytes()) {
		t.Fatal("not masked")
	}
	if got, err := s.Unmask([]byte("271828")); err != nil || !got.Equal(share) {
		t.Fatalf("right PIN: %v", err)
	}
	if got, err := s.Unmask([]byte("271829")); err != nil || got.Equal(share) {
		t.Fatalf("wrong PIN: %v", err)
	}
	if _, err := s.Unmask(bytes.Repeat([]byte("1"), 49)); !errors.Is(err, ErrPIN) {
		t.Fatalf("49 digits: %v", err)
	}
	s, share = testSet(t, "")
	for _, pin := range []string{"", "1234"} {
		if got, err := s.Unmask([]byte(pin)); err != nil || !got.Equal(share) {
			t.Fatalf("key without PIN, given %q: %v", pin, err)
		}
	}
}

// Parameters left out mean the default ones.
func TestNewSetDefaultCost(t *testing.T) {
	s, share := testSet(t, "1234", func(p *SetParams) { p.Cost = ArgonParams{} })
	if s.Argon != DefaultCost() {
		t.Fatalf("cost %+v", s.Argon)
	}
	if got, err := s.Unmask([]byte("1234")); err != nil || !got.Equal(share) {
		t.Fatal(err)
	}
}

// TestPINPlausible plays the thief of a key: whatever PIN he tries, the key
// gives him a value without an error, and nothing about the right PIN's value
// sets it apart. To see it fail, store anything computed from the share (a
// check byte, say) or let Unmask refuse.
func TestPINPlausible(t *testing.T) {
	// A share with as much structure as there is: the thief's best case.
	flat := secret.New(SecretSize)
	s, _ := testSet(t, "4711", func(p *SetParams) { p.Share = flat })
	const tries = 2000
	var count [256]int
	seen := map[string]bool{}
	for i := range tries {
		v, err := s.Unmask(strconv.AppendInt(nil, int64(1000+i), 10))
		if err != nil {
			t.Fatalf("PIN %d: %v: an oracle", 1000+i, err)
		}
		if v.Len() != SecretSize || seen[string(v.Bytes())] {
			t.Fatalf("PIN %d: value repeats or has another size", 1000+i)
		}
		seen[string(v.Bytes())] = true
		for _, b := range v.Bytes() {
			count[b]++
		}
		v.Destroy()
	}
	if x := chiSquare(count[:], tries*SecretSize); x > chiLimit {
		t.Errorf("chi-square %.0f over 255 degrees of freedom: unmasked values have structure", x)
	}
	// Not even malformed PINs are told apart.
	for _, pin := range []string{"", "1", "0000", "abc", "\x00"} {
		if _, err := s.Unmask([]byte(pin)); err != nil {
			t.Errorf("PIN %q: %v", pin, err)
		}
	}
}

// TestContainerNoOracle: a container says nothing about the share but its
// masked bytes. Two sets that are made with different shares and PINs, but
// come to the same masked bytes, give the same container.
func TestContainerNoOracle(t *testing.T) {
	a, share := testSet(t, "1111")
	// The share that PIN 2222 would show for the same masked bytes.
	other, err := a.Unmask([]byte("2222"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := testSet(t, "2222", func(p *SetParams) { p.Share = other })
	if other.Equal(share) {
		t.Fatal("no test: shares are equal")
	}
	ka, kb := NewBlank(), NewBlank()
	kb.Serial = ka.Serial
	for k, s := range map[*Key]*Set{ka: a, kb: b} {
		if err := k.WritePending(s); err != nil {
			t.Fatal(err)
		}
	}
	ca, err1 := ka.Encode()
	cb, err2 := kb.Encode()
	if err1 != nil || err2 != nil || !bytes.Equal(ca, cb) {
		t.Fatalf("containers differ: something in them depends on the share or the PIN beside the mask (%v, %v)", err1, err2)
	}
	if bytes.Contains(ca, share.Bytes()) {
		t.Fatal("bare share in the container")
	}
}

// Copies of one share with one PIN are the same bytes, so that two of them are
// no better than one for guessing; another index, set or type has another salt.
func TestSaltOfCopies(t *testing.T) {
	a, share := testSet(t, "1234")
	b, _ := testSet(t, "1234", func(p *SetParams) { p.Share = share })
	if a.Masked != b.Masked || a.Salt != b.Salt {
		t.Error("copies with one PIN differ")
	}
	for name, f := range map[string]func(*SetParams){
		"index": func(p *SetParams) { p.Index = 3 },
		"set":   func(p *SetParams) { p.ID[15] = 1 },
		"type":  func(p *SetParams) { p.Type = protocol.KeyUser },
	} {
		if c, _ := testSet(t, "1234", f); c.Salt == a.Salt {
			t.Errorf("another %s has the same salt", name)
		}
	}
}

func BenchmarkUnmaskDefault(b *testing.B) {
	s, _ := testSet(b, "1234", func(p *SetParams) { p.Cost = DefaultCost() })
	for b.Loop() {
		v, err := s.Unmask([]byte("1234"))
		if err != nil {
			b.Fatal(err)
		}
		v.Destroy()
	}
}

func testShare() *secret.Buffer { return secret.Random(SecretSize) }
