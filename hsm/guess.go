package hsm

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"slices"
	"time"

	"openped/internal/secret"
	"openped/internal/wire"
	"openped/protocol/hsmapi"
)

// What makes guessing expensive: orange keys and one-time passwords are counted
// or used up on disk before the guess is looked at.

const (
	passwordDigits = 8
	passwordTime   = 10 * time.Minute // from Begin to both tags
	orangeTime     = 4 * time.Hour    // likewise: sixteen orange keys and their PINs, a quarter of an hour each
	slowest        = 60 * time.Second
)

var errUnlisted = errors.New("RPK is not listed")

// slowDown returns how long a handshake waits before its tag is looked at,
// after so many failed ones: 0, 0, 1, 2, 4 … 60 s.
func slowDown(failed int) time.Duration {
	if failed < 2 {
		return 0
	}
	return min(slowest, time.Second<<min(failed-2, 10))
}

// countHandshake counts a handshake as failed, durably, and returns how many
// failed before it. Only listed RPKs are counted, so strangers cannot fill the
// state; the channel refuses the others.
func (s *Slot) countHandshake(rpk [64]byte) (before int, err error) {
	err = s.d.Update(func(st *State) error {
		if !st.listed(rpk) {
			return errUnlisted
		}
		before = st.failed(rpk)
		st.setFailed(rpk, before+1)
		return nil
	})
	if err != nil {
		return 0, driverError(err)
	}
	return before, nil
}

// goodHandshake forgets the failures of an RPK.
func (s *Slot) goodHandshake(rpk [64]byte) error {
	if err := s.d.Update(func(st *State) error { st.setFailed(rpk, 0); return nil }); err != nil {
		return driverError(err)
	}
	return nil
}

// rpv returns a copy of the RPV, or nil.
func (s *Slot) rpv() (v *secret.Buffer) {
	s.d.View(func(st *State) {
		if st.RPV != nil {
			v = secret.Copy(st.RPV.Value.Bytes())
		}
	})
	return v
}

// NewPassword returns a random one-time password, 8 ASCII digits.
func NewPassword() *secret.Buffer {
	p := secret.New(passwordDigits)
	var b [1]byte
	for i := range p.Bytes() {
		for b[0] = 255; b[0] >= 250; { // 250 = 25·10: every digit is as likely
			rand.Read(b[:])
		}
		p.Bytes()[i] = '0' + b[0]%10
	}
	clear(b[:])
	return p
}

// CheckPassword returns an *Error unless digits is 8 ASCII digits.
func CheckPassword(digits []byte) error {
	if len(digits) != passwordDigits || slices.ContainsFunc(digits, func(c byte) bool { return c < '0' || c > '9' }) {
		return errorf(codeArguments, "give 8 digits, or none for random ones", "a one-time password has 8 digits")
	}
	return nil
}

// passwordDigest names a used password. It may be guessed from the digest, which
// is harmless: a used password is worth nothing.
func (s *Slot) passwordDigest(digits []byte) []byte {
	h := sha512.Sum512(new(wire.Writer).Raw([]byte("openped v1 used password")).Var8([]byte(s.id.Serial)).Var8(digits).Bytes())
	return h[:16]
}

func usedUp(st *State, digest []byte) bool {
	return slices.ContainsFunc(st.UsedPasswords, func(d []byte) bool { return bytes.Equal(d, digest) })
}

// checkUnused refuses a password that this HSM has used up before.
func (s *Slot) checkUnused(digits []byte) error {
	if err := CheckPassword(digits); err != nil {
		return err
	}
	digest := s.passwordDigest(digits)
	used := false
	s.d.View(func(st *State) { used = usedUp(st, digest) })
	if used {
		return errorf(codeArguments, "choose another, or let the HSM choose", "this one-time password has been used before")
	}
	return nil
}

// useUp marks a password used, durably. An HSM that has an RPV, by now, takes
// none.
func (s *Slot) useUp(digits []byte) error {
	digest := s.passwordDigest(digits)
	err := s.d.Update(func(st *State) error {
		if st.RPV != nil {
			return errorf(hsmapi.CKR_RPV_INITIALIZED, "", "the HSM has a remote PED vector")
		}
		if usedUp(st, digest) {
			return errorf(codeArguments, "choose another", "this one-time password has been used before")
		}
		st.UsedPasswords = append(st.UsedPasswords, digest)
		st.UsedPasswords = slices.Clone(st.UsedPasswords[max(0, len(st.UsedPasswords)-maxUsedPasswords):])
		return nil
	})
	var refused *Error
	if err != nil && !errors.As(err, &refused) {
		return driverError(err)
	}
	return err
}
