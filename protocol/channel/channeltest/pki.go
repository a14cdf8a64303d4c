package channeltest

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"errors"

	"openped/internal/wire"
	"openped/protocol/channel"
)

// Roles of certificates.
const (
	roleOrigin  = 1
	roleIssuing = 2
	roleStatic  = 3
	roleRPK     = 4
)

// ErrCert is every refusal of the verifiers here.
var ErrCert = errors.New("channeltest: certificate refused")

// certificate is role[1] serial text8 counter[8] spki var16 signature var16.
type certificate struct {
	role    uint8
	serial  string
	counter uint64
	spki    []byte
	signed  []byte
	sig     []byte
}

func parse(der []byte) (*certificate, error) {
	r := wire.NewReader(der)
	c := &certificate{role: r.U8(), serial: r.Text8(32), counter: r.U64(), spki: r.Var16(256)}
	c.signed = der[:len(der)-r.Len()]
	c.sig = r.Var16(256)
	if r.Done() != nil {
		return nil, ErrCert
	}
	return c, nil
}

func (c *certificate) signedBy(spki []byte) bool {
	pub, err := x509.ParsePKIXPublicKey(spki)
	key, ok := pub.(*ecdsa.PublicKey)
	if err != nil || !ok {
		return false
	}
	h := sha512.Sum512(c.signed)
	return ecdsa.VerifyASN1(key, h[:], c.sig)
}

func (c *certificate) ecdhKey() (*ecdh.PublicKey, error) {
	pub, err := x509.ParsePKIXPublicKey(c.spki)
	if err != nil {
		return nil, ErrCert
	}
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return nil, ErrCert
	}
	return key.ECDH()
}

func issue(by *ecdsa.PrivateKey, role uint8, serial string, counter uint64, spki []byte) []byte {
	w := wire.NewWriter(512).U8(role).Var8([]byte(serial)).U64(counter).Var16(spki)
	h := sha512.Sum512(w.Bytes())
	sig, err := by.Sign(nil, h[:], crypto.SHA512) // deterministic, RFC 6979
	must(err)
	return w.Var16(sig).Bytes()
}

func spki(pub any) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	must(err)
	return der
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// PKI is an origin root.
type PKI struct {
	key  *ecdsa.PrivateKey
	Root []byte // its certificate
}

// NewPKI makes an origin root.
func NewPKI() *PKI {
	key := newECDSA()
	return &PKI{key: key, Root: issue(key, roleOrigin, "origin", 0, spki(&key.PublicKey))}
}

func newECDSA() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	must(err)
	return key
}

func newECDH() *ecdh.PrivateKey {
	key, err := ecdh.P521().GenerateKey(rand.Reader)
	must(err)
	return key
}

// HSM is a certified HSM with a static key, and an RPV to share with orange keys.
type HSM struct {
	Serial  string
	Static  *ecdh.PrivateKey
	Chain   [][]byte // static, issuing, root
	RPV     []byte   // 64 bytes
	Counter uint64

	key    *ecdsa.PrivateKey
	spki   []byte
	listed [][]byte // SPKI of the RPKs
}

// NewHSM certifies an HSM and starts it.
func (p *PKI) NewHSM(serial string) *HSM {
	h := &HSM{Serial: serial, key: newECDSA(), RPV: make([]byte, 64)}
	h.spki = spki(&h.key.PublicKey)
	rand.Read(h.RPV)
	h.Chain = [][]byte{nil, issue(p.key, roleIssuing, serial, 0, h.spki), p.Root}
	h.Start()
	return h
}

// Start gives the HSM a new static key and a higher start counter.
func (h *HSM) Start() {
	h.Counter++
	h.Certify(newECDH())
}

// Certify makes key the static key at the present start counter.
func (h *HSM) Certify(key *ecdh.PrivateKey) {
	h.Static = key
	h.Chain = [][]byte{issue(h.key, roleStatic, h.Serial, h.Counter, spki(key.PublicKey())), h.Chain[1], h.Chain[2]}
}

// CertifyForeign returns a chain of this HSM for somebody else's public key:
// what a malicious HSM can do.
func (h *HSM) CertifyForeign(key *ecdh.PublicKey) [][]byte {
	return [][]byte{issue(h.key, roleStatic, h.Serial, h.Counter, spki(key)), h.Chain[1], h.Chain[2]}
}

// IssuingFP is SHA-512 of the issuing key's SubjectPublicKeyInfo.
func (h *HSM) IssuingFP() [64]byte { return sha512.Sum512(h.spki) }

// RPK is the static key of an orange key.
type RPK struct {
	Private *ecdh.PrivateKey
	Cert    []byte
}

// NewRPK makes, certifies and lists an RPK.
func (h *HSM) NewRPK() RPK {
	r := h.UnlistedRPK(newECDH())
	h.List(r)
	return r
}

// UnlistedRPK certifies key as an RPK without listing it.
func (h *HSM) UnlistedRPK(key *ecdh.PrivateKey) RPK {
	return RPK{Private: key, Cert: issue(h.key, roleRPK, h.Serial, 0, spki(key.PublicKey()))}
}

// List takes an RPK into the list.
func (h *HSM) List(r RPK) { h.listed = append(h.listed, spki(r.Private.PublicKey())) }

// Unlist empties the list, as a rotation of the RPV does.
func (h *HSM) Unlist() { h.listed = nil }

// VerifyRPK implements channel.PeerVerifier.
func (h *HSM) VerifyRPK(cert []byte) (*ecdh.PublicKey, error) {
	c, err := parse(cert)
	if err != nil {
		return nil, err
	}
	if c.role != roleRPK || c.serial != h.Serial {
		return nil, ErrCert
	}
	for _, l := range h.listed {
		if bytes.Equal(l, c.spki) {
			if !c.signedBy(h.spki) {
				return nil, ErrCert
			}
			return c.ecdhKey()
		}
	}
	return nil, ErrCert
}

// VerifyHSM implements channel.PeerVerifier; an HSM verifies no HSM.
func (h *HSM) VerifyHSM([][]byte, bool) (channel.Identity, *ecdh.PublicKey, error) {
	return channel.Identity{}, nil, ErrCert
}

// Verifier is a PED's: it knows some roots.
type Verifier struct{ Roots [][]byte }

// Verifier returns a PED's verifier that knows this root.
func (p *PKI) Verifier() *Verifier { return &Verifier{Roots: [][]byte{p.Root}} }

// VerifyHSM implements channel.PeerVerifier.
func (v *Verifier) VerifyHSM(chain [][]byte, unknownOK bool) (id channel.Identity, key *ecdh.PublicKey, err error) {
	if len(chain) < 2 || len(chain) > 3 {
		return id, nil, ErrCert
	}
	static, err1 := parse(chain[0])
	issuing, err2 := parse(chain[1])
	if err := errors.Join(err1, err2); err != nil {
		return id, nil, err
	}
	if static.role != roleStatic || issuing.role != roleIssuing || static.serial != issuing.serial {
		return id, nil, ErrCert
	}
	root, err := v.root(chain, issuing, unknownOK)
	if err != nil {
		return id, nil, err
	}
	if !static.signedBy(issuing.spki) {
		return id, nil, ErrCert
	}
	id = channel.Identity{Serial: issuing.serial, IssuingFP: sha512.Sum512(issuing.spki), RootFP: sha512.Sum512(root.spki),
		StartCounter: static.counter, Known: v.knows(root)}
	key, err = static.ecdhKey()
	return id, key, err
}

func (v *Verifier) root(chain [][]byte, issuing *certificate, unknownOK bool) (*certificate, error) {
	for _, der := range v.Roots {
		if root, err := parse(der); err == nil && issuing.signedBy(root.spki) {
			return root, nil
		}
	}
	if !unknownOK || len(chain) != 3 {
		return nil, ErrCert
	}
	root, err := parse(chain[2])
	if err != nil || root.role != roleOrigin || !issuing.signedBy(root.spki) {
		return nil, ErrCert
	}
	return root, nil
}

func (v *Verifier) knows(root *certificate) bool {
	for _, der := range v.Roots {
		if r, err := parse(der); err == nil && bytes.Equal(r.spki, root.spki) {
			return true
		}
	}
	return false
}

// VerifyRPK implements channel.PeerVerifier; a PED verifies no RPK.
func (v *Verifier) VerifyRPK([]byte) (*ecdh.PublicKey, error) { return nil, ErrCert }
