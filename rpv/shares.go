package rpv

import (
	"errors"
	"fmt"

	"openped/internal/secret"
)

// SecretSize is the size in bytes of every secret that PED keys hold, and of
// each of its shares.
const SecretSize = 64

// MaxShares is the largest N.
const MaxShares = 16

// Errors of Split, Join and Extend. None of them depends on a secret's value.
var (
	ErrQuorum     = errors.New("m and n must be 1 ≤ m ≤ n ≤ 16")
	ErrSecretSize = errors.New("secret is not 64 bytes long")
	ErrShareIndex = errors.New("share index out of range or used twice")
)

// Share is the value of the splitting polynomials at Index, 1 to 16.
type Share struct {
	Index uint8
	Value *secret.Buffer
}

// CheckQuorum returns ErrQuorum unless 1 ≤ m ≤ n ≤ 16.
func CheckQuorum(m, n int) error {
	if m < 1 || m > n || n > MaxShares {
		return ErrQuorum
	}
	return nil
}

// Split splits a secret into n shares with the indexes 1 to n, any m of which
// give it back. With m = 1 every share is the secret itself. The shares are the
// caller's to destroy; secret stays the caller's.
func Split(s *secret.Buffer, m, n int) ([]Share, error) {
	if err := CheckQuorum(m, n); err != nil {
		return nil, err
	}
	if s.Len() != SecretSize {
		return nil, ErrSecretSize
	}
	// coeffs holds the m-1 upper coefficients of the 64 polynomials.
	coeffs := secret.Random((m - 1) * SecretSize)
	defer coeffs.Destroy()
	shares := make([]Share, n)
	for i := range shares {
		x := byte(i + 1)
		v := secret.New(SecretSize)
		y := v.Bytes()
		for k := m - 2; k >= 0; k-- { // Horner: y = (y + c_k)·x
			c := coeffs.Bytes()[k*SecretSize:][:SecretSize]
			for j := range y {
				y[j] = mul(y[j]^c[j], x)
			}
		}
		for j, b := range s.Bytes() {
			y[j] ^= b
		}
		shares[i] = Share{Index: x, Value: v}
	}
	return shares, nil
}

// Join gives back the secret from exactly m shares of one splitting, in any
// order. It cannot know whether they belong together: wrong shares, fewer or
// more than m of them included, give a wrong secret and no error.
func Join(shares []Share) (*secret.Buffer, error) { return evaluate(shares, 0) }

// Extend computes all shares 1 to n of the splitting from exactly m of them:
// the same values that Split made. n must be at least the number and the
// largest index of the shares given.
func Extend(shares []Share, n int) ([]Share, error) {
	if err := CheckQuorum(len(shares), n); err != nil {
		return nil, err
	}
	for _, s := range shares {
		if int(s.Index) > n {
			return nil, ErrShareIndex
		}
	}
	all := make([]Share, 0, n)
	for x := byte(1); int(x) <= n; x++ {
		v, err := evaluate(shares, x)
		if err != nil {
			DestroyShares(all)
			return nil, err
		}
		all = append(all, Share{Index: x, Value: v})
	}
	return all, nil
}

// evaluate interpolates the polynomials through shares at x (Lagrange). The
// weights come from indexes only, which are public.
func evaluate(shares []Share, x byte) (*secret.Buffer, error) {
	if err := CheckQuorum(len(shares), MaxShares); err != nil {
		return nil, fmt.Errorf("%d shares: %w", len(shares), err)
	}
	var seen [MaxShares + 1]bool
	for _, s := range shares {
		if s.Index < 1 || s.Index > MaxShares || seen[s.Index] {
			return nil, ErrShareIndex
		}
		seen[s.Index] = true
		if s.Value.Len() != SecretSize {
			return nil, ErrSecretSize
		}
	}
	out := secret.New(SecretSize)
	for i, s := range shares {
		weight := byte(1)
		for j, o := range shares {
			if i != j {
				weight = mul(weight, mul(x^o.Index, inv(s.Index^o.Index)))
			}
		}
		mulAdd(out.Bytes(), s.Value.Bytes(), weight)
	}
	return out, nil
}

// DestroyShares wipes and frees the values of shares.
func DestroyShares(shares []Share) {
	for _, s := range shares {
		s.Value.Destroy()
	}
}
