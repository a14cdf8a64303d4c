package channel

import (
	"slices"

	"openped/internal/wire"
	"openped/protocol"
)

// Extension is one TLV of Hello or Reply: type[2] critical[1] length[2] value.
type Extension struct {
	Type     uint16
	Critical bool
	Value    []byte // up to MaxExtension bytes
}

// Extensions are count[1] and that many TLVs of strictly rising type.
func writeExtensions(w *wire.Writer, exts []Extension) {
	w.U8(uint8(len(exts)))
	for _, e := range exts {
		w.U16(e.Type).Bool(e.Critical).Var16(e.Value)
	}
}

// parseExtensions refuses critical extensions whose type is not among known.
func parseExtensions(r *wire.Reader, known ...uint16) []Extension {
	n := int(r.U8())
	if n > MaxExtensions {
		r.Fail()
		return nil
	}
	var exts []Extension
	for range n {
		e := Extension{Type: r.U16(), Critical: r.Bool(), Value: r.Var16(MaxExtension)}
		if r.Err() != nil || e.Critical && !slices.Contains(known, e.Type) || len(exts) > 0 && e.Type <= exts[len(exts)-1].Type {
			r.Fail()
			return nil
		}
		exts = append(exts, e)
	}
	return exts
}

// extLiveSet, in a Hello of mode rpv and not critical, is the set id[16] of the
// HSM's present RPV: an orange key that holds a current and a pending set shows
// by it which one to read, before its PIN is asked.
const extLiveSet uint16 = 1

// liveSet finds the extension; zero without one.
func (h *hello) liveSet() (id protocol.SetID, err error) {
	for _, e := range h.exts {
		if e.Type == extLiveSet {
			if len(e.Value) != len(id) || h.mode != ModeRPV {
				return id, wire.ErrMalformed
			}
			copy(id[:], e.Value)
		}
	}
	return id, nil
}

// Hello, U to V:
//
//	minVersion[1] maxVersion[1] mode[1] nonceU[32]
//	serial text8≤32   label text8≤32   firmware text8≤16
//	QeU[133] encapsulationKey[1568]
//	chainLen[1] = 2 or 3, then certificates var16≤2048: static, issuing, origin root if sent
//	extensions
type hello struct {
	minVersion, maxVersion  uint8
	mode                    Mode
	nonce                   [NonceSize]byte
	serial, label, firmware string
	point                   []byte
	encapKey                []byte
	chain                   [][]byte
	exts                    []Extension
	live                    protocol.SetID // of exts
}

func (h *hello) encode() []byte {
	w := wire.NewWriter(4096)
	w.U8(h.minVersion).U8(h.maxVersion).U8(uint8(h.mode)).Raw(h.nonce[:])
	w.Var8([]byte(h.serial)).Var8([]byte(h.label)).Var8([]byte(h.firmware))
	w.Raw(h.point).Raw(h.encapKey)
	w.U8(uint8(len(h.chain)))
	for _, c := range h.chain {
		w.Var16(c)
	}
	writeExtensions(w, h.exts)
	return encodeClear(TypeHello, w.Bytes())
}

func decodeHello(msg []byte) (*hello, error) {
	body, err := decodeClear(msg, TypeHello)
	if err != nil {
		return nil, err
	}
	r := wire.NewReader(body)
	h := &hello{minVersion: r.U8(), maxVersion: r.U8(), mode: Mode(r.U8())}
	r.Copy(h.nonce[:])
	h.serial, h.label, h.firmware = r.Text8(MaxSerial), r.Text8(MaxLabel), r.Text8(MaxFirmware)
	h.point, h.encapKey = r.Bytes(PointSize), r.Bytes(encapKeySize)
	n := int(r.U8())
	if n < 2 || n > 3 || !h.mode.valid() || h.minVersion == 0 || h.minVersion > h.maxVersion || h.serial == "" {
		r.Fail()
	}
	for range n {
		c := r.Var16(MaxCert)
		if len(c) == 0 {
			r.Fail()
			break
		}
		h.chain = append(h.chain, c)
	}
	h.exts = parseExtensions(r, extLiveSet)
	if err := r.Done(); err != nil {
		return nil, err
	}
	if h.live, err = h.liveSet(); err != nil {
		return nil, err
	}
	return h, nil
}

// Reply, V to U:
//
//	version[1] nonceV[32] QeV[133] ciphertext[1568] extensions
type reply struct {
	version uint8
	nonce   [NonceSize]byte
	point   []byte
	kem     []byte
	exts    []Extension
}

func (m *reply) encode() []byte {
	w := wire.NewWriter(2048)
	w.U8(m.version).Raw(m.nonce[:]).Raw(m.point).Raw(m.kem)
	writeExtensions(w, m.exts)
	return encodeClear(TypeReply, w.Bytes())
}

func decodeReply(msg []byte) (*reply, error) {
	body, err := decodeClear(msg, TypeReply)
	if err != nil {
		return nil, err
	}
	r := wire.NewReader(body)
	m := &reply{version: r.U8()}
	r.Copy(m.nonce[:])
	m.point, m.kem = r.Bytes(PointSize), r.Bytes(kemSize)
	m.exts = parseExtensions(r)
	if err := r.Done(); err != nil {
		return nil, err
	}
	return m, nil
}

// HsmProof, U to V; body (hashed into TH1) and tag:
//
//	share var8: U's CPace share, 32 bytes in otp, else empty
//	tag0[64]
type hsmProof struct {
	share []byte
	tag   []byte
}

func (m *hsmProof) body() []byte { return wire.NewWriter(33).Var8(m.share).Bytes() }

func (m *hsmProof) encode() []byte {
	return encodeClear(TypeHsmProof, append(m.body(), m.tag...))
}

func decodeHsmProof(msg []byte, mode Mode) (*hsmProof, error) {
	body, err := decodeClear(msg, TypeHsmProof)
	if err != nil {
		return nil, err
	}
	r := wire.NewReader(body)
	m := &hsmProof{share: r.Var8(shareSize), tag: r.Bytes(TagSize)}
	if len(m.share) != mode.shareLen() {
		r.Fail()
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	return m, nil
}

// PedAuth, V to U, a K0 record; body (hashed into TH1) and tag:
//
//	serial text8≤32   firmware text8≤16
//	rpkCert var16≤2048: in rpv, else empty
//	share var8: V's CPace share, 32 bytes in otp, else empty
//	macTagV[64]
type pedAuth struct {
	serial, firmware string
	rpkCert          []byte
	share            []byte
	tag              []byte
}

func (m *pedAuth) body() []byte {
	return wire.NewWriter(128 + len(m.rpkCert)).Var8([]byte(m.serial)).Var8([]byte(m.firmware)).
		Var16(m.rpkCert).Var8(m.share).Bytes()
}

func decodePedAuth(payload []byte, mode Mode) (*pedAuth, error) {
	r := wire.NewReader(payload)
	m := &pedAuth{serial: r.Text8(MaxSerial), firmware: r.Text8(MaxFirmware), rpkCert: r.Var16(MaxCert),
		share: r.Var8(shareSize), tag: r.Bytes(TagSize)}
	if m.serial == "" || (len(m.rpkCert) > 0) != (mode == ModeRPV) || len(m.share) != mode.shareLen() {
		r.Fail()
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	return m, nil
}
