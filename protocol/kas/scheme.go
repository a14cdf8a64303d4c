package kas

import "fmt"

// PrivateKey is a private key of one curve whose public keys have type P.
// *ecdh.PrivateKey is a PrivateKey[*ecdh.PublicKey].
//
// A public key must have passed full public-key validation (SP 800-56A
// 5.6.2.3.3) before it is used here: crypto/ecdh does that when it decodes one.
// ECDH returns the x-coordinate of the shared point as a field element of fixed
// length (66 bytes on P-521) and refuses the point at infinity.
type PrivateKey[P any] interface {
	PublicKey() P
	ECDH(peer P) ([]byte, error)
}

// DH is the ECC CDH primitive (SP 800-56A 5.7.1.2), and with it the whole
// shared secret of onePassDh, C(1e, 1s): the initiator's own key is ephemeral
// and the peer's static; the responder's own key is static and the peer's
// ephemeral. The caller wipes the result.
func DH[P any](own PrivateKey[P], peer P) ([]byte, error) {
	z, err := own.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("key agreement: %w", err)
	}
	return z, nil
}

// OnePassDHU is DH as the initiator of C(1e, 1s) computes it.
func OnePassDHU[P any](ephemeral PrivateKey[P], peerStatic P) ([]byte, error) {
	return DH(ephemeral, peerStatic)
}

// OnePassDHV is DH as the responder of C(1e, 1s) computes it.
func OnePassDHV[P any](static PrivateKey[P], peerEphemeral P) ([]byte, error) {
	return DH(static, peerEphemeral)
}

// StaticUnified is the shared secret of C(0e, 2s) (SP 800-56A 6.3.2), the same
// for both parties. The parties' nonces go into the FixedInfo of the key
// derivation. The same is Zs of C(2e, 2s).
func StaticUnified[P any](static PrivateKey[P], peerStatic P) ([]byte, error) {
	return DH(static, peerStatic)
}

// FullUnified is the shared secret Z = Ze ‖ Zs of C(2e, 2s) (SP 800-56A
// 6.1.1.2), the same for both parties. The caller wipes the result.
func FullUnified[P any](ephemeral, static PrivateKey[P], peerEphemeral, peerStatic P) ([]byte, error) {
	ze, err := DH(ephemeral, peerEphemeral)
	if err != nil {
		return nil, err
	}
	defer clear(ze)
	zs, err := DH(static, peerStatic)
	if err != nil {
		return nil, err
	}
	defer clear(zs)
	return FullUnifiedZ(ze, zs), nil
}

// FullUnifiedZ joins the two halves of a C(2e, 2s) shared secret for a caller
// that has needed Ze before it knows the static keys.
func FullUnifiedZ(ze, zs []byte) []byte {
	z := make([]byte, 0, len(ze)+len(zs))
	return append(append(z, ze...), zs...)
}
