package certs

import (
	"bytes"
	"crypto/ecdh"
	"crypto/x509"
	"fmt"

	"openped/protocol/channel"
)

// Both verifiers serve the channel; each refuses what the other is for.
var (
	_ channel.PeerVerifier = (*HSMVerifier)(nil)
	_ channel.PeerVerifier = (*RPKVerifier)(nil)
)

// HSMVerifier is the PED's side: it checks the chain of an HSM's static key. It
// is safe for concurrent use as long as Roots is not changed. A process should
// keep one: it remembers the issuing certificates that it has verified.
type HSMVerifier struct {
	Roots []*x509.Certificate // from ParseRoot

	issuing memo
}

// VerifyHSM implements channel.PeerVerifier. chain is the static and the
// issuing certificate, and optionally the origin root, DER.
//
// A root is known if its public key is one of Roots; then exactly two
// signatures are verified, and the issuing certificate's only once in v's life. With unknownOK, a root that is not known may come in
// the chain; its signature on itself is verified too, and Identity.Known is
// false. The start counter is returned, not judged.
func (v *HSMVerifier) VerifyHSM(chain [][]byte, unknownOK bool) (channel.Identity, *ecdh.PublicKey, error) {
	id, key, err := v.verifyHSM(chain, unknownOK)
	if err != nil {
		return channel.Identity{}, nil, err
	}
	return id, key, nil
}

func (v *HSMVerifier) verifyHSM(chain [][]byte, unknownOK bool) (id channel.Identity, key *ecdh.PublicKey, err error) {
	if len(chain) < 2 || len(chain) > 3 {
		return id, nil, fmt.Errorf("%w: %d certificates", ErrChain, len(chain))
	}
	static, err := parse(chain[0], RoleStatic)
	if err != nil {
		return id, nil, err
	}
	issuing, err := parse(chain[1], RoleIssuing)
	if err != nil {
		return id, nil, err
	}
	root, known, err := v.root(chain[2:], issuing, unknownOK)
	if err != nil {
		return id, nil, err
	}
	// One key must not serve two levels.
	s, i, r := static.RawSubjectPublicKeyInfo, issuing.RawSubjectPublicKeyInfo, root.RawSubjectPublicKeyInfo
	if bytes.Equal(s, i) || bytes.Equal(i, r) || bytes.Equal(s, r) {
		return id, nil, fmt.Errorf("%w: one key at two levels", ErrChain)
	}
	seen := &v.issuing
	if !known {
		seen = nil // whoever likes can make such roots
		if err := root.signedBy(root, nil); err != nil {
			return id, nil, err
		}
	}
	if err := issuing.signedBy(root, seen); err != nil {
		return id, nil, err
	}
	if err := static.signedBy(issuing, nil); err != nil {
		return id, nil, err
	}
	if key, err = static.ecdh(); err != nil {
		return id, nil, err
	}
	return channel.Identity{
		Serial:       issuing.serial,
		IssuingFP:    SPKIFingerprint(i),
		RootFP:       SPKIFingerprint(r),
		StartCounter: static.counter,
		Known:        known,
	}, key, nil
}

// root finds the origin root of an issuing certificate: the one sent, which is
// known if its public key is, or else the known one that the issuing
// certificate names.
func (v *HSMVerifier) root(sent [][]byte, issuing *parsed, unknownOK bool) (root *parsed, known bool, err error) {
	if len(sent) > 0 {
		if root, err = parse(sent[0], RoleOrigin); err != nil {
			return nil, false, err
		}
		for _, c := range v.Roots {
			if bytes.Equal(c.RawSubjectPublicKeyInfo, root.RawSubjectPublicKeyInfo) {
				return root, true, nil
			}
		}
		if !unknownOK {
			return nil, false, ErrUnknownRoot
		}
		return root, false, nil
	}
	for _, c := range v.Roots {
		if bytes.Equal(keyID(c.RawSubjectPublicKeyInfo), issuing.AuthorityKeyId) {
			root, err = parse(c.Raw, RoleOrigin)
			return root, true, err
		}
	}
	return nil, false, ErrUnknownRoot
}

// VerifyRPK refuses: a PED takes no RPK certificate from its peer.
func (v *HSMVerifier) VerifyRPK([]byte) (*ecdh.PublicKey, error) { return nil, ErrNotHere }

// RPKVerifier is the HSM's side: it checks the certificate of an orange key. It
// is safe for concurrent use if its functions are. A process should keep one per
// HSM: it remembers the RPK certificates that it has verified.
type RPKVerifier struct {
	IssuingDER []byte                 // this HSM's issuing certificate
	Listed     func(fp [64]byte) bool // is the RPK with this ID listed with the current RPV?
	Own        func(fp [64]byte) bool // is this the ID of a static key of our own?

	rpks memo
}

// VerifyRPK implements channel.PeerVerifier. One signature is verified, once in
// v's life; the lists are asked each time.
func (v *RPKVerifier) VerifyRPK(cert []byte) (*ecdh.PublicKey, error) {
	issuing, err := parse(v.IssuingDER, RoleIssuing)
	if err != nil {
		return nil, err
	}
	rpk, err := parse(cert, RoleRPK)
	if err != nil {
		return nil, err
	}
	fp := SPKIFingerprint(rpk.RawSubjectPublicKeyInfo)
	switch {
	case bytes.Equal(rpk.RawSubjectPublicKeyInfo, issuing.RawSubjectPublicKeyInfo), v.Own == nil || v.Own(fp):
		return nil, ErrOwnKey
	case v.Listed == nil || !v.Listed(fp):
		return nil, ErrNotListed
	}
	if err := rpk.signedBy(issuing, &v.rpks); err != nil {
		return nil, err
	}
	return rpk.ecdh()
}

// VerifyHSM refuses: an HSM talks to no HSM.
func (v *RPKVerifier) VerifyHSM([][]byte, bool) (channel.Identity, *ecdh.PublicKey, error) {
	return channel.Identity{}, nil, ErrNotHere
}

// ParseRPK reads an RPK certificate without checking who signed it, for a PED
// that is given one over the channel. It returns the public key and the serial
// of the HSM named in it.
func ParseRPK(der []byte) (pub *ecdh.PublicKey, serial string, err error) {
	p, err := parse(der, RoleRPK)
	if err != nil {
		return nil, "", err
	}
	pub, err = p.ecdh()
	return pub, p.serial, err
}

// ParseRoot reads an origin root, DER, and checks its profile and its signature
// on itself.
func ParseRoot(der []byte) (*x509.Certificate, error) {
	p, err := parse(der, RoleOrigin)
	if err != nil {
		return nil, err
	}
	if err := p.signedBy(p, nil); err != nil {
		return nil, err
	}
	return p.Certificate, nil
}
