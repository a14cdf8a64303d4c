package cpace

import (
	"crypto/rand"
	"crypto/sha512"
	"errors"

	"github.com/cloudflare/circl/group"
)

const (
	// ShareSize is the size of a share in bytes.
	ShareSize = 32
	// KeySize is the size of the resulting key (the draft's ISK) in bytes.
	KeySize = sha512.Size

	// MaxInput caps password, session id, channel identifier and associated
	// data, each, in bytes.
	MaxInput = 4096

	dsi    = "CPaceRistretto255"
	dsiISK = dsi + "_ISK"
	// dst separates the generator from every other use of RFC 9380.
	dst = "openped v1 CPace ristretto255_XMD:SHA-512_R255MAP_RO_"
)

var (
	// ErrShare is Finish's one error: the peer's share is not 32 bytes, not the
	// canonical encoding of a group element, the identity, or this party's own.
	ErrShare = errors.New("cpace: share refused")
	// ErrUsed is returned when Finish is called twice.
	ErrUsed = errors.New("cpace: exchange already finished")
	// ErrInput is returned for an unknown role, an empty password or an input
	// over MaxInput.
	ErrInput = errors.New("cpace: input length out of range")
)

// Role is a party's side. It only orders the transcript.
type Role uint8

// The initiator's share is sent first.
const (
	Initiator Role = 1
	Responder Role = 2
)

// State is one party's half-done exchange: one Finish, whatever its outcome.
type State struct {
	role   Role
	scalar group.Scalar // nil once used
	sid    []byte
	share  []byte
	ad     []byte
}

// Start makes this party's share. Both parties must give the same password, sid
// (unique to this run) and ci (who talks to whom); ad is what this party wants
// authenticated and may be nil.
func Start(role Role, password, sid, ci, ad []byte) (st *State, share []byte, err error) {
	if (role != Initiator && role != Responder) || len(password) == 0 || len(password) > MaxInput || len(sid) > MaxInput || len(ci) > MaxInput || len(ad) > MaxInput {
		return nil, nil, ErrInput
	}
	return start(role, generator(password, ci, sid), group.Ristretto255.RandomNonZeroScalar(rand.Reader), sid, ad)
}

// generator is the draft's calculate_generator, with our map to the group.
func generator(password, ci, sid []byte) group.Element {
	str := generatorString(password, ci, sid)
	defer clear(str)
	return group.Ristretto255.HashToElement(str, []byte(dst))
}

func start(role Role, g group.Element, y group.Scalar, sid, ad []byte) (*State, []byte, error) {
	share, err := group.Ristretto255.NewElement().Mul(g, y).MarshalBinaryCompress()
	if err != nil {
		return nil, nil, err
	}
	st := &State{role: role, scalar: y, sid: append([]byte(nil), sid...), ad: append([]byte(nil), ad...), share: share}
	return st, append([]byte(nil), share...), nil
}

// Finish takes the peer's share and associated data and returns the key of
// KeySize bytes, which equals the peer's if the passwords, sid, ci and both
// parties' views of shares and data are equal: nothing here says whether they
// are, so the caller confirms the key, and wipes it.
func (s *State) Finish(peerShare, peerAD []byte) ([]byte, error) {
	if s == nil || s.scalar == nil {
		return nil, ErrUsed
	}
	defer s.Wipe()
	if len(peerAD) > MaxInput {
		return nil, ErrInput
	}
	if string(peerShare) == string(s.share) {
		return nil, ErrShare
	}
	k, err := agree(s.scalar, peerShare)
	if err != nil {
		return nil, err
	}
	defer clear(k)
	// ISK = H(lv(DSI_ISK) ‖ lv(sid) ‖ lv(K) ‖ lv(Ya) ‖ lv(ADa) ‖ lv(Yb) ‖ lv(ADb))
	h := sha512.New()
	in := lvCat([]byte(dsiISK), s.sid, k)
	defer clear(in)
	h.Write(in)
	if s.role == Initiator {
		h.Write(lvCat(s.share, s.ad, peerShare, peerAD))
	} else {
		h.Write(lvCat(peerShare, peerAD, s.share, s.ad))
	}
	return h.Sum(nil), nil
}

// Wipe forgets the secret scalar. Finish does it too.
func (s *State) Wipe() {
	if s != nil && s.scalar != nil {
		s.scalar.SetUint64(0)
		s.scalar = nil
	}
}

// agree is scalar_mult_vfy: the encoding of y·share, identity refused on both
// sides of the multiplication.
func agree(y group.Scalar, share []byte) ([]byte, error) {
	p, err := decode(share)
	if err != nil {
		return nil, err
	}
	k := group.Ristretto255.NewElement().Mul(p, y)
	if k.IsIdentity() {
		return nil, ErrShare
	}
	return k.MarshalBinaryCompress()
}

func decode(share []byte) (group.Element, error) {
	if len(share) != ShareSize {
		return nil, ErrShare
	}
	p := group.Ristretto255.NewElement()
	if p.UnmarshalBinary(share) != nil || p.IsIdentity() {
		return nil, ErrShare
	}
	// One element has one encoding: whatever the library takes beyond it is refused.
	again, err := p.MarshalBinaryCompress()
	if err != nil || string(again) != string(share) {
		return nil, ErrShare
	}
	return p, nil
}

// generatorString is the draft's generator_string: the padding makes password
// and tag fill one block of SHA-512, so that the time taken for the rest does
// not depend on the password.
func generatorString(password, ci, sid []byte) []byte {
	pad := max(0, sha512.BlockSize-1-lvSize(len(password))-lvSize(len(dsi)))
	return lvCat([]byte(dsi), password, make([]byte, pad), ci, sid)
}

// lvCat is the draft's lv_cat: each part with its length in LEB128 before it.
func lvCat(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += lvSize(len(p))
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		l := len(p)
		for ; l >= 0x80; l >>= 7 {
			out = append(out, byte(l)|0x80)
		}
		out = append(append(out, byte(l)), p...)
	}
	return out
}

func lvSize(n int) int {
	size := n + 1
	for l := n; l >= 0x80; l >>= 7 {
		size++
	}
	return size
}
