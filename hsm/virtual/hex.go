package virtual

import (
	"encoding/hex"

	"openped/protocol"
)

// protocolID is a set id in hex.
type protocolID protocol.SetID

func (id protocolID) MarshalText() ([]byte, error) { return hexBytes(id[:]).MarshalText() }

func (id *protocolID) UnmarshalText(t []byte) error {
	var b hexBytes
	if err := b.UnmarshalText(t); err != nil || len(b) != len(id) {
		return ErrDamaged
	}
	copy(id[:], b)
	return nil
}

// hexBytes are public bytes: digests and fingerprints.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexBytes) UnmarshalText(t []byte) error {
	b, err := hex.AppendDecode(nil, t)
	if err != nil {
		return ErrDamaged
	}
	*h = b
	return nil
}
