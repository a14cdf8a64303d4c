package rpv

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"openped/internal/secret"
)

// pick returns m of the shares, in random order.
func pick(shares []Share, m int) []Share {
	var p []Share
	for _, i := range rand.Perm(len(shares))[:m] {
		p = append(p, shares[i])
	}
	return p
}

func TestSplitJoinExtend(t *testing.T) {
	for n := 1; n <= MaxShares; n++ {
		for m := 1; m <= n; m++ {
			s := secret.Random(SecretSize)
			shares, err := Split(s, m, n)
			if err != nil {
				t.Fatalf("%d of %d: %v", m, n, err)
			}
			for range 3 {
				chosen := pick(shares, m)
				got, err := Join(chosen)
				if err != nil || !got.Equal(s) {
					t.Fatalf("%d of %d: join of %d: %v", m, n, len(chosen), err)
				}
				got.Destroy()
				all, err := Extend(chosen, n)
				if err != nil || len(all) != n {
					t.Fatalf("%d of %d: extend: %v", m, n, err)
				}
				for i, sh := range all {
					if sh.Index != shares[i].Index || !sh.Value.Equal(shares[i].Value) {
						t.Fatalf("%d of %d: extend made another share %d", m, n, i+1)
					}
				}
				DestroyShares(all)
			}
			if m > 1 { // one share too few gives something else
				if got, err := Join(pick(shares, m-1)); err != nil || got.Equal(s) {
					t.Fatalf("%d of %d: %d shares gave the secret (%v)", m, n, m-1, err)
				}
			}
			DestroyShares(shares)
			s.Destroy()
		}
	}
}

// All combinations of a quorum, not only some.
func TestEveryQuorum(t *testing.T) {
	s := secret.Random(SecretSize)
	shares, err := Split(s, 3, 6)
	if err != nil {
		t.Fatal(err)
	}
	for a := range 6 {
		for b := range a {
			for c := range b {
				if got, err := Join([]Share{shares[a], shares[b], shares[c]}); err != nil || !got.Equal(s) {
					t.Errorf("shares %d %d %d: %v", a, b, c, err)
				}
			}
		}
	}
}

func TestOneOfNIsTheSecret(t *testing.T) {
	s := secret.Random(SecretSize)
	shares, err := Split(s, 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, sh := range shares {
		if !sh.Value.Equal(s) {
			t.Errorf("share %d differs", sh.Index)
		}
	}
}

// Two splittings of one secret share nothing: the coefficients are drawn anew.
func TestSplitIsRandom(t *testing.T) {
	s := secret.Random(SecretSize)
	a, _ := Split(s, 2, 2)
	b, _ := Split(s, 2, 2)
	if a[0].Value.Equal(b[0].Value) || a[0].Value.Equal(s) {
		t.Error("a share repeats")
	}
}

// With m-1 shares every secret is equally likely: over many splittings of one
// secret, each value of a share's byte comes equally often.
func TestShareUniform(t *testing.T) {
	const rounds = 1000
	s := secret.New(SecretSize) // the most regular secret
	var count [256]int
	for range rounds {
		shares, err := Split(s, 2, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range shares[1].Value.Bytes() {
			count[b]++
		}
		DestroyShares(shares)
	}
	if x := chiSquare(count[:], rounds*SecretSize); x > chiLimit {
		t.Errorf("chi-square %.0f over 255 degrees of freedom: not uniform", x)
	}
}

// chiLimit is exceeded by uniform bytes about once in 10^9 runs: 255
// degrees of freedom, mean 255, standard deviation 22.6.
const chiLimit = 410

func chiSquare(count []int, total int) float64 {
	want, x := float64(total)/float64(len(count)), 0.0
	for _, c := range count {
		x += (float64(c) - want) * (float64(c) - want) / want
	}
	return x
}

func TestShareErrors(t *testing.T) {
	s := secret.Random(SecretSize)
	sh := func(index ...uint8) (out []Share) {
		for _, i := range index {
			out = append(out, Share{i, s})
		}
		return out
	}
	for _, c := range []struct {
		name string
		f    func() error
		want error
	}{
		{"m 0", func() error { _, err := Split(s, 0, 3); return err }, ErrQuorum},
		{"m over n", func() error { _, err := Split(s, 4, 3); return err }, ErrQuorum},
		{"n 17", func() error { _, err := Split(s, 4, 17); return err }, ErrQuorum},
		{"short secret", func() error { _, err := Split(secret.New(63), 1, 1); return err }, ErrSecretSize},
		{"nil secret", func() error { _, err := Split(nil, 1, 1); return err }, ErrSecretSize},
		{"no shares", func() error { _, err := Join(nil); return err }, ErrQuorum},
		{"17 shares", func() error {
			_, err := Join(sh(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16))
			return err
		}, ErrQuorum},
		{"index twice", func() error { _, err := Join(sh(2, 1, 2)); return err }, ErrShareIndex},
		{"index 0", func() error { _, err := Join(sh(0)); return err }, ErrShareIndex},
		{"index 17", func() error { _, err := Join(sh(17)); return err }, ErrShareIndex},
		{"short share", func() error { _, err := Join([]Share{{1, secret.New(1)}}); return err }, ErrSecretSize},
		{"extend to fewer", func() error { _, err := Extend(sh(1, 2), 1); return err }, ErrQuorum},
		{"extend below an index", func() error { _, err := Extend(sh(5), 4); return err }, ErrShareIndex},
		{"extend index twice", func() error { _, err := Extend(sh(1, 1), 4); return err }, ErrShareIndex},
	} {
		if err := c.f(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func BenchmarkSplitJoin16(b *testing.B) {
	s := secret.Random(SecretSize)
	for b.Loop() {
		shares, err := Split(s, 16, 16)
		if err != nil {
			b.Fatal(err)
		}
		got, err := Join(shares)
		if err != nil || !bytes.Equal(got.Bytes(), s.Bytes()) {
			b.Fatal(err)
		}
		got.Destroy()
		DestroyShares(shares)
	}
}
