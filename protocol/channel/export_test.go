package channel

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha512"
	"encoding"

	"openped/internal/secret"
)

// What tests of the attacker's kind need: snapshots of a party, keys in the
// wrong hands, messages no party would make.

func (t transcript) clone() transcript {
	if t.h == nil {
		return t
	}
	state, err := t.h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err)
	}
	h := sha512.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic(err)
	}
	return transcript{h}
}

func (k keys) clone() keys {
	if k.buf != nil {
		k.buf = secret.Copy(k.buf.Bytes())
	}
	return k
}

func (h *half) clone(k keys, d direction) *half {
	if h == nil {
		return nil
	}
	c, err := k.half(d, h.limits)
	if err != nil {
		panic(err)
	}
	c.seq, c.bytes = h.seq, h.bytes
	return c
}

func (c *core) clone(own direction) core {
	d := *c
	d.k0, d.dkm, d.script = c.k0.clone(), c.dkm.clone(), c.script.clone()
	if c.shared.buf != nil {
		d.shared.buf = secret.Copy(c.shared.buf.Bytes())
	}
	d.out, d.in = c.out.clone(d.k0, own), c.in.clone(d.k0, dirUV+dirVU-own)
	d.cpace = nil // one use: a clone cannot finish mode otp
	d.forget = nil
	return d
}

// Clone is a snapshot that goes its own way, but cannot Finish in otp.
func (u *U) Clone() *U {
	c := *u
	c.core = u.core.clone(dirUV)
	return &c
}

// Clone is a snapshot that goes its own way.
func (v *V) Clone() *V {
	c := *v
	c.core = v.core.clone(dirVU)
	c.kem = bytes.Clone(v.kem)
	return &c
}

// Clone is a snapshot that goes its own way.
func (s *Session) Clone() *Session {
	c := &Session{own: s.own, keys: s.keys.clone(), sentClose: s.sentClose, peerClosed: s.peerClosed, dead: s.dead}
	c.out, c.in = s.out.clone(c.keys, s.own), s.in.clone(c.keys, dirUV+dirVU-s.own)
	return c
}

// Wiped reports whether no key is left.
func (c *core) Wiped() bool {
	return c.k0.buf == nil && c.dkm.buf == nil && c.shared.buf == nil && c.out == nil && c.in == nil && c.eph == nil
}

// Wiped reports whether no key is left.
func (s *Session) Wiped() bool { return s.keys.buf == nil && s.out == nil && s.in == nil }

// SealK0 makes a K0 record with any content.
func (c *core) SealK0(t Type, payload []byte) []byte { return c.out.seal(nil, t, payload) }

// PeekK0 opens a K0 record without taking it.
func (c *core) PeekK0(own uint8, rec []byte) (Type, []byte, error) {
	return c.in.clone(c.k0, dirUV+dirVU-direction(own)).open(nil, rec)
}

// SealRaw makes a session record with any type and content.
func (s *Session) SealRaw(t Type, payload []byte) []byte { return s.out.seal(nil, t, payload) }

// SkipTo moves a direction on, as if so much had been carried.
func (s *Session) SkipTo(seq, bytes uint64) {
	for _, h := range []*half{s.out, s.in} {
		h.seq, h.bytes = seq, bytes
	}
}

// Reframe gives a clear message the length that its body has.
func Reframe(t Type, body []byte) []byte { return encodeClear(t, body) }

// NewUExt is NewU with extensions in Hello.
func NewUExt(cfg UConfig, exts []Extension) (*U, []byte, error) { return newU(cfg, exts) }

// HelloEdit is what EditHello lets a test change.
type HelloEdit struct {
	Min, Max                *uint8
	Mode                    *Mode
	Nonce                   *[NonceSize]byte
	Serial, Label, Firmware *string
	Point, EncapKey         *[]byte
	Chain                   *[][]byte
	Exts                    *[]Extension
}

// EditHello changes fields of a Hello.
func EditHello(msg []byte, edit func(*HelloEdit)) []byte {
	h, err := decodeHello(msg)
	if err != nil {
		panic(err)
	}
	edit(&HelloEdit{&h.minVersion, &h.maxVersion, &h.mode, &h.nonce, &h.serial, &h.label, &h.firmware, &h.point, &h.encapKey, &h.chain, &h.exts})
	return h.encode()
}

// ReplyEdit is what EditReply lets a test change.
type ReplyEdit struct {
	Version *uint8
	Nonce   *[NonceSize]byte
	Point   *[]byte
	Kem     *[]byte
	Exts    *[]Extension
}

// EditReply changes fields of a Reply.
func EditReply(msg []byte, edit func(*ReplyEdit)) []byte {
	m, err := decodeReply(msg)
	if err != nil {
		panic(err)
	}
	edit(&ReplyEdit{&m.version, &m.nonce, &m.point, &m.kem, &m.exts})
	return m.encode()
}

// PedAuthEdit is what EditPedAuth lets a test change.
type PedAuthEdit struct {
	Serial, Firmware *string
	RPKCert          *[]byte
	Share, Tag       *[]byte
}

// EditPedAuth changes fields of a PedAuth payload.
func EditPedAuth(payload []byte, mode Mode, edit func(*PedAuthEdit)) []byte {
	m, err := decodePedAuth(payload, mode)
	if err != nil {
		panic(err)
	}
	edit(&PedAuthEdit{&m.serial, &m.firmware, &m.rpkCert, &m.share, &m.tag})
	return append(m.body(), m.tag...)
}

// EditProofShare changes the CPace share of an HsmProof, its tag left as it is.
func EditProofShare(msg, share []byte) []byte {
	m, err := decodeHsmProof(msg, ModeOTP)
	if err != nil {
		panic(err)
	}
	m.share = share
	return m.encode()
}

// ForgeAuth is PedAuth of a V in mode rpv that has no RPK private key, only
// what it has been given of the values that need one.
func (v *V) ForgeAuth(serial, firmware string, cert []byte, rpk *ecdh.PublicKey, rpv, zs, xv []byte) []byte {
	m := &pedAuth{serial: serial, firmware: firmware, rpkCert: cert}
	v.parties.idV = idOf(rpk.Bytes())
	v.script.add(TypePedAuth, m.body())
	v.th1 = v.script.sum()
	dkm, err := deriveDKM(&v.parties, v.shared, &v.th1, rpv, zs, xv)
	if err != nil {
		panic(err)
	}
	v.dkm = dkm
	v.state = StateAuth
	return v.out.seal(nil, TypePedAuth, append(m.body(), macTag(dkm.macKey(), v.parties.tagData(dirVU, &v.th1))...))
}

// ReplaceXU overwrites X_U, the one value that only the HSM's static key gives.
func (c *core) ReplaceXU(xu []byte) { copy(c.shared.xu(), xu) }

// Impersonate makes U claim a static key that is not the one it has.
func (u *U) Impersonate(static *ecdh.PublicKey) { u.parties.idU = idOf(static.Bytes()) }

// ForgeProof is HsmProof of a U that has xu for X_U.
func (u *U) ForgeProof(reply, xu []byte) []byte {
	hello := u.hello
	m, err := decodeReply(reply)
	if err != nil {
		panic(err)
	}
	proof, err := u.prove(reply, m)
	if err != nil {
		panic(err)
	}
	u.ReplaceXU(xu)
	th0 := newTranscript(hello, reply).sum()
	u.dropK0()
	if err := u.startK0(dirUV, &th0); err != nil {
		panic(err)
	}
	p, err := decodeHsmProof(proof, u.cfg.Mode)
	if err != nil {
		panic(err)
	}
	p.tag = macTag(u.k0.macKey(), u.parties.proofData(&th0, p.share))
	u.state = StateProven
	return p.encode()
}

// ForgeConfirm is Confirm of a U that has taken PedAuth, has not looked at its
// tag, and has these values: Zs and X_V in rpv, the CPace key in otp.
func (u *U) ForgeConfirm(rpv []byte, extra ...[]byte) []byte {
	th1 := u.script.sum()
	dkm, err := deriveDKM(&u.parties, u.shared, &th1, rpv, extra...)
	if err != nil {
		panic(err)
	}
	defer dkm.buf.Destroy()
	return u.out.seal(nil, TypeConfirm, macTag(dkm.macKey(), u.parties.tagData(dirUV, &th1)))
}

// Ephemeral is the ephemeral private key.
func (c *core) Ephemeral() *ecdh.PrivateKey { return c.eph }

// SetSession gives a snapshot its session.
func (v *V) SetSession(s *Session) { v.s = s }

// Rewind makes the next K0 record take the place of the last one.
func (c *core) Rewind() { c.out.seq-- }

// SetVerifier changes who judges RPK certificates.
func (u *U) SetVerifier(v PeerVerifier) { u.cfg.Verifier = v }

// SetEphemeral makes key the ephemeral one, and Hello say so.
func (u *U) SetEphemeral(key *ecdh.PrivateKey) (hello []byte) {
	u.eph, u.parties.qeU = key, key.PublicKey().Bytes()
	u.hello = EditHello(u.hello, func(e *HelloEdit) { *e.Point = u.parties.qeU })
	return u.hello
}

// OneWrapKey makes the wrapping keys of both directions the same.
func (s *Session) OneWrapKey() { copy(s.keys.wrapKey(dirVU), s.keys.wrapKey(dirUV)) }

// KemSeed is the 64-byte seed d ‖ z of the ML-KEM decapsulation key.
func (u *U) KemSeed() []byte { return u.kem.Bytes() }

// CPaceKey finishes CPace with the PED's share, or that of PedAuth if nil.
func (u *U) CPaceKey(share []byte) []byte {
	if share == nil {
		share = u.auth.share
	}
	key, err := u.cpace.Finish(share, nil)
	if err != nil {
		panic(err)
	}
	return key
}
