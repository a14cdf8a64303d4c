package channel

import (
	"crypto/subtle"

	"openped/internal/secret"
	"openped/internal/wire"
	"openped/protocol"
	"openped/protocol/kas"
)

// MaxSecret is the longest secret that is wrapped, in bytes.
const MaxSecret = 256

// maxWrapped is over what any label and secret come to.
const maxWrapped = 512

// Label says what a wrapped secret is: it is unwrapped only under the same
// label, so that no secret can be passed off as another one.
//
//	direction[1]: 1 HSM to PED, 2 PED to HSM
//	op[1] role[1] index[1] ceremony[16] set[16] serial text8≤32
type Label struct {
	Ceremony protocol.CeremonyID
	Op       protocol.Op
	Role     protocol.Role
	Serial   string // the certified one of the HSM
	Set      protocol.SetID
	Index    uint8 // of the share in its set, from 1; 0 where there is none
}

func (l *Label) encode(d direction) ([]byte, error) {
	if !l.Op.Valid() || !l.Role.Valid() || l.Serial == "" || !text(l.Serial, MaxSerial) {
		return nil, ErrConfig
	}
	w := wire.NewWriter(128 + MaxSecret).U8(uint8(d)).U8(uint8(l.Op)).U8(uint8(l.Role)).U8(l.Index)
	return w.Raw(l.Ceremony[:]).Raw(l.Set[:]).Var8([]byte(l.Serial)).Bytes(), nil
}

// WrapSecret encrypts label ‖ secret with AES-256-KWP under the CWK of this
// side's direction. value has 1 to MaxSecret bytes.
func (s *Session) WrapSecret(label Label, value []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return nil, s.refuse(ErrDead)
	}
	plain, err := label.encode(s.own)
	if err != nil {
		return nil, err
	}
	if len(value) == 0 || len(value) > MaxSecret {
		return nil, ErrConfig
	}
	plain = append(plain, value...)
	defer clear(plain)
	return kas.WrapKWP(s.keys.wrapKey(s.own), plain)
}

// UnwrapSecret opens what the peer wrapped under the same label. Anything else
// is the end of the session.
func (s *Session) UnwrapSecret(label Label, wrapped []byte) (*secret.Buffer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return nil, s.refuse(ErrDead)
	}
	peer := dirUV + dirVU - s.own
	want, err := label.encode(peer)
	if err != nil {
		return nil, err
	}
	if len(wrapped) > maxWrapped {
		return nil, s.refuse(ErrLabel)
	}
	plain, err := kas.UnwrapKWP(s.keys.wrapKey(peer), wrapped)
	if err != nil {
		return nil, s.refuse(ErrLabel)
	}
	defer clear(plain)
	n := len(plain) - len(want)
	if n < 1 || n > MaxSecret || subtle.ConstantTimeCompare(plain[:len(want)], want) != 1 {
		return nil, s.refuse(ErrLabel)
	}
	return secret.Copy(plain[len(want):]), nil
}
