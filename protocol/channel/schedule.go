package channel

import (
	"crypto/sha512"
	"hash"

	"openped/internal/secret"
	"openped/internal/wire"
	"openped/protocol/kas"
)

// idSize is the size of ID_U and ID_V: SHA-512 of a SubjectPublicKeyInfo.
const idSize = sha512.Size

// noID stands for ID_V where the PED has no static key.
var noID [idSize]byte

// spkiPrefix is the DER SubjectPublicKeyInfo of a P-521 key up to its point:
// id-ecPublicKey, secp521r1, BIT STRING.
var spkiPrefix = [25]byte{0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00}

// idOf is the ID of a static key, given as its uncompressed point.
func idOf(point []byte) [idSize]byte {
	var b [len(spkiPrefix) + PointSize]byte
	copy(b[copy(b[:], spkiPrefix[:]):], point)
	return sha512.Sum512(b[:])
}

// samePoint reports whether two uncompressed points are equal or each other's
// negation: both give the same ECDH value.
func samePoint(a, b []byte) bool {
	const x = 1 + (PointSize-1)/2
	return string(a[1:x]) == string(b[1:x])
}

// transcript hashes what both sides have seen: each message as the header of a
// clear message and the body, so with its type and length, without tags. Begin,
// Activity, Cancelled and alerts never enter it, nor does any record framing.
type transcript struct{ h hash.Hash }

// newTranscript starts with Hello and Reply as they travelled.
func newTranscript(hello, reply []byte) transcript {
	h := sha512.New()
	h.Write(hello)
	h.Write(reply)
	return transcript{h}
}

// sum is the hash so far: TH0 after Hello and Reply, TH1 after HsmProof and PedAuth.
func (t transcript) sum() (th [sha512.Size]byte) {
	t.h.Sum(th[:0])
	return th
}

// add appends the body of a message.
func (t transcript) add(typ Type, body []byte) {
	var w wire.Writer
	writeHeader(&w, typ, 0, len(body))
	t.h.Write(w.Bytes())
	t.h.Write(body)
}

// parties is what both key derivations and all confirmation tags are bound to.
type parties struct {
	mode           Mode
	idU, idV       [idSize]byte // idV is noID until a PED shows an RPK
	nonceU, nonceV [NonceSize]byte
	qeU, qeV       []byte // uncompressed points
}

// fixedInfo = label ‖ ID_U ‖ nonceU ‖ ID_V ‖ nonceV ‖ L[4], in bits ‖ TH ‖ SuppPrivInfo
func (p *parties) fixedInfo(label string, idV *[idSize]byte, bits int, th *[sha512.Size]byte, suppPriv []byte) []byte {
	w := wire.NewWriter(512)
	w.Raw([]byte(label)).Raw([]byte(p.mode.String()))
	w.Raw(p.idU[:]).Raw(p.nonceU[:]).Raw(idV[:]).Raw(p.nonceV[:])
	return w.U32(uint32(bits)).Raw(th[:]).Raw(suppPriv).Bytes()
}

// Labels of the two derivations; the mode's name follows.
const (
	labelK0  = "openped v1 k0 "
	labelDKM = "openped v1 dkm "
)

// K0 is MacKey0[64] ‖ DEK0_UV[32] ‖ DMK0_UV[64] ‖ DEK0_VU[32] ‖ DMK0_VU[64].
// DKM is MacKey[64] ‖ DEK_UV[32] ‖ DMK_UV[64] ‖ CWK_UV[32] ‖ DEK_VU[32] ‖ DMK_VU[64] ‖ CWK_VU[32].
const (
	macKeySize = 64
	dekSize    = 32
	dmkSize    = 64
	cwkSize    = 32
	k0Size     = macKeySize + 2*(dekSize+dmkSize)
	dkmSize    = macKeySize + 2*(dekSize+dmkSize+cwkSize)
)

// keys is a derived key block in one buffer.
type keys struct {
	buf *secret.Buffer
	cwk int // size of a direction's CWK: 0 in K0
}

// derive runs the one-step KDF (SP 800-56C 4.1, H = SHA-512); z is wiped.
func derive(z, fixedInfo []byte, size int) (keys, error) {
	out, err := kas.OneStepKDF(sha512.New, z, fixedInfo, size)
	clear(z)
	clear(fixedInfo)
	if err != nil {
		return keys{}, err
	}
	k := keys{buf: secret.From(out)}
	if size == dkmSize {
		k.cwk = cwkSize
	}
	return k, nil
}

// deriveK0: Z' = X_U ‖ Ze ‖ ss, TH0, no ID_V, no SuppPrivInfo.
func deriveK0(p *parties, s shared, th0 *[sha512.Size]byte) (keys, error) {
	z := append(make([]byte, 0, sharedSize), s.buf.Bytes()...)
	return derive(z, p.fixedInfo(labelK0, &noID, 8*k0Size, th0, nil), k0Size)
}

// deriveDKM: Z' by mode, TH1, ID_V, SuppPrivInfo = RPV in rpv.
//
//	rpv    Ze ‖ Zs ‖ X_U ‖ X_V ‖ ss     extra = Zs, X_V
//	otp    X_U ‖ Ze ‖ ss ‖ CPace key    extra = CPace key
//	local  X_U ‖ Ze ‖ ss
//
// X_U and X_V, each static key with the other's ephemeral one, keep a stolen
// static key from being enough to impersonate somebody else to its owner.
func deriveDKM(p *parties, s shared, th1 *[sha512.Size]byte, rpv []byte, extra ...[]byte) (keys, error) {
	z := make([]byte, 0, 512)
	switch p.mode {
	case ModeRPV:
		z = append(append(append(append(append(z, s.ze()...), extra[0]...), s.xu()...), extra[1]...), s.kem()...)
	case ModeOTP:
		z = append(append(append(append(z, s.xu()...), s.ze()...), s.kem()...), extra[0]...)
	default:
		z = append(append(append(z, s.xu()...), s.ze()...), s.kem()...)
	}
	for _, e := range extra {
		clear(e)
	}
	return derive(z, p.fixedInfo(labelDKM, &p.idV, 8*dkmSize, th1, rpv), dkmSize)
}

func (k keys) macKey() []byte { return k.buf.Bytes()[:macKeySize] }

// wipeMacKey forgets the confirmation key, once both tags are done with.
func (k keys) wipeMacKey() { clear(k.macKey()) }

// direction is UV or VU.
type direction uint8

const (
	dirUV direction = 1
	dirVU direction = 2
)

func (k keys) of(d direction) []byte {
	n := dekSize + dmkSize + k.cwk
	return k.buf.Bytes()[macKeySize+int(d-1)*n:][:n]
}

func (k keys) half(d direction, limits Limits) (*half, error) {
	b := k.of(d)
	return newHalf(b[:dekSize], b[dekSize:dekSize+dmkSize], limits)
}

// wrapKey is CWK of a direction, aliased. DKM only.
func (k keys) wrapKey(d direction) []byte { return k.of(d)[dekSize+dmkSize:] }

// shared is X_U ‖ Ze ‖ ss: what the handshake agreed before any static key of
// the PED came in. It waits in a buffer, because people are slow.
type shared struct{ buf *secret.Buffer }

const (
	fieldSize  = 66 // of an ECDH value on P-521
	kemKeySize = 32
	sharedSize = 2*fieldSize + kemKeySize
)

// newShared wipes its arguments.
func newShared(xu, ze, ss []byte) shared {
	s := shared{secret.New(sharedSize)}
	b := s.buf.Bytes()
	copy(b, xu)
	copy(b[fieldSize:], ze)
	copy(b[2*fieldSize:], ss)
	clear(xu)
	clear(ze)
	clear(ss)
	return s
}

func (s shared) xu() []byte  { return s.buf.Bytes()[:fieldSize] }
func (s shared) ze() []byte  { return s.buf.Bytes()[fieldSize : 2*fieldSize] }
func (s shared) kem() []byte { return s.buf.Bytes()[2*fieldSize:] }

// proofData is what tag0 covers: C(1e,1s) with the HSM confirming, unilaterally.
func (p *parties) proofData(th0 *[sha512.Size]byte, share []byte) []byte {
	return kas.MacData(kas.LabelKC1V, p.idU[:], noID[:], nil, kas.EphemeralData(p.qeV), append(th0[:], share...))
}

// tagData is what MacTagV or MacTagU covers: bilateral confirmation. The labels
// differ, so neither side's tag can be sent back to it.
func (p *parties) tagData(from direction, th1 *[sha512.Size]byte) []byte {
	eU, eV := kas.EphemeralData(p.qeU), kas.EphemeralData(p.qeV)
	if from == dirVU {
		return kas.MacData(kas.LabelKC2V, p.idV[:], p.idU[:], eV, eU, th1[:])
	}
	return kas.MacData(kas.LabelKC2U, p.idU[:], p.idV[:], eU, eV, th1[:])
}

func macTag(key, data []byte) []byte { return kas.HMACSHA512(key, data) }

func checkTag(key, data, tag []byte) bool {
	return kas.VerifyTag(sha512.New, key, data, tag, TagSize)
}
