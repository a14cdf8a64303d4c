package channel

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"fmt"

	"openped/internal/wire"
	"openped/protocol"
	"openped/protocol/kas"
	"openped/protocol/kas/cpace"
)

// HelloInfo is what a Hello claims. Mode and Serial have been checked.
type HelloInfo struct {
	Mode            Mode
	Serial          string         // equals Identity.Serial
	Label, Firmware string         // as claimed
	Chain           [][]byte       // as sent; with the origin root third if it was
	LiveSet         protocol.SetID // ModeRPV: the set of the HSM's present RPV; zero if it does not say
}

// VEvent is what Receive took.
type VEvent uint8

// Events of V.
const (
	EvProven    VEvent = 1 // HsmProof verified: this is the HSM of Peer. Still nothing is shown to anybody
	EvBegin     VEvent = 2 // the HSM wants the handshake finished: now a person may be asked
	EvConfirmed VEvent = 3 // Confirm verified: Session is ready
)

// V is the PED's side of one handshake. It is not for several goroutines.
type V struct {
	core
	cfg    VConfig
	hello  *hello
	peer   Identity
	static *ecdh.PublicKey
	qeU    *ecdh.PublicKey
	kem    []byte // ss, until HsmProof
	proof  *hsmProof
	th0    [64]byte
	th1    [64]byte
	s      *Session
}

// NewV takes an HSM's Hello and returns the Reply to send.
func NewV(cfg VConfig, hello []byte) (v *V, reply []byte, err error) {
	v = &V{cfg: cfg}
	v.limits = cfg.Limits
	v.forget = func() { clear(v.kem); v.kem = nil }
	if reply, err = v.start(hello); err != nil {
		return nil, nil, v.fail(err)
	}
	v.state = StateReplied
	return v, reply, nil
}

func (v *V) start(msg []byte) ([]byte, error) {
	if v.cfg.Modes == nil || v.cfg.Verifier == nil || v.cfg.CheckCounter == nil {
		return nil, ErrConfig
	}
	msg = bytes.Clone(msg) // parts of it are kept
	h, err := decodeHello(msg)
	if err != nil {
		return nil, err
	}
	if h.minVersion > Version {
		return nil, ErrVersion
	}
	if !v.cfg.Modes(h.mode) {
		return nil, fmt.Errorf("%w: %v", ErrMode, h.mode)
	}
	if v.qeU, err = curve().NewPublicKey(h.point); err != nil {
		return nil, wire.ErrMalformed
	}
	ek, err := mlkem.NewEncapsulationKey1024(h.encapKey)
	if err != nil {
		return nil, wire.ErrMalformed
	}
	if err := v.identify(h); err != nil {
		return nil, err
	}
	if v.eph, err = curve().GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	ss, ct := ek.Encapsulate()
	m := &reply{version: Version, point: v.eph.PublicKey().Bytes(), kem: ct}
	rand.Read(m.nonce[:])
	v.hello, v.kem = h, ss
	v.parties = parties{mode: h.mode, nonceU: h.nonce, nonceV: m.nonce, qeU: h.point, qeV: m.point, idU: idOf(v.static.Bytes())}
	out := m.encode()
	v.script = newTranscript(msg, out)
	return out, nil
}

// identify finds out whose Hello it claims to be and whether that one is served.
func (v *V) identify(h *hello) (err error) {
	unknownOK := v.cfg.AllowUnknownRoot && h.mode == ModeOTP
	if v.peer, v.static, err = v.cfg.Verifier.VerifyHSM(h.chain, unknownOK); err != nil {
		return fmt.Errorf("%w: %w", ErrPeerIdentity, err)
	}
	if v.static == nil || v.static.Curve() != curve() || !v.peer.Known && !unknownOK {
		return ErrPeerIdentity
	}
	// Screens and labels show the certified serial: a Hello that says otherwise lies.
	if h.serial != v.peer.Serial {
		return fmt.Errorf("%w: serial is not the certified one", ErrPeerIdentity)
	}
	if samePoint(h.point, v.static.Bytes()) {
		return fmt.Errorf("%w: ephemeral key is the static one", ErrPeerIdentity)
	}
	if v.peer.Known {
		return v.checkCounter()
	}
	return nil
}

func (v *V) checkCounter() error {
	if err := v.cfg.CheckCounter(v.peer); err != nil {
		return fmt.Errorf("%w: %w", ErrPeerIdentity, err)
	}
	return nil
}

// Peer is who the HSM is: claimed until EvProven, and if Peer().Known is false,
// by its own word only, even after.
func (v *V) Peer() Identity { return v.peer }

// Hello is what the HSM's Hello says.
func (v *V) Hello() HelloInfo {
	return HelloInfo{Mode: v.hello.mode, Serial: v.hello.serial, Label: v.hello.label, Firmware: v.hello.firmware, Chain: v.hello.chain, LiveSet: v.hello.live}
}

// Receive takes what an HSM sends after Hello.
func (v *V) Receive(msg []byte) (VEvent, error) {
	if err := v.want(StateReplied, StateProven, StateBegun, StateAuth); err != nil {
		return 0, err
	}
	if IsAlert(msg) {
		return 0, v.end(ErrAlert)
	}
	if v.state == StateReplied {
		if err := v.checkProof(msg); err != nil {
			return 0, v.fail(err)
		}
		v.state = StateProven
		return EvProven, nil
	}
	t, payload, err := v.openK0(msg)
	if err != nil {
		return 0, v.fail(err)
	}
	switch {
	case t == TypeBegin && v.state == StateProven:
		if len(payload) != 0 {
			return 0, v.fail(wire.ErrMalformed)
		}
		v.state = StateBegun
		return EvBegin, nil
	case t == TypeConfirm && v.state == StateAuth:
		if err := v.checkConfirm(payload); err != nil {
			return 0, v.fail(err)
		}
		v.dropK0()
		v.state = StateComplete
		return EvConfirmed, nil
	}
	return 0, v.fail(fmt.Errorf("%w: %v", ErrSequence, t))
}

// checkProof agrees on K0 and verifies tag0: until it has, nobody is shown
// anything.
func (v *V) checkProof(msg []byte) error {
	m, err := decodeHsmProof(msg, v.hello.mode)
	if err != nil {
		return err
	}
	xu, err := kas.OnePassDHU(v.eph, v.static)
	if err != nil {
		return err
	}
	ze, err := kas.DH(v.eph, v.qeU)
	if err != nil {
		return err
	}
	v.shared = newShared(xu, ze, v.kem)
	v.kem = nil
	th0 := v.script.sum()
	if err := v.startK0(dirVU, &th0); err != nil {
		return err
	}
	if !checkTag(v.k0.macKey(), v.parties.proofData(&th0, m.share), m.tag) {
		return ErrConfirmation
	}
	v.k0.wipeMacKey()
	v.script.add(TypeHsmProof, m.body())
	v.proof, v.th0 = m, th0
	return nil
}

// Activity returns the record that a PED sends every few seconds while a
// dialogue runs, whatever keys are pressed in it.
func (v *V) Activity() ([]byte, error) {
	if err := v.want(StateBegun); err != nil {
		return nil, err
	}
	return v.sealK0(TypeActivity, nil)
}

// Cancel ends the handshake for a reason of the PED's side, a protocol cancel
// reason other than 0, and returns the record that says so.
func (v *V) Cancel(reason uint8) ([]byte, error) {
	if err := v.want(StateBegun); err != nil {
		return nil, err
	}
	if reason == 0 {
		return nil, v.fail(ErrConfig)
	}
	rec, err := v.sealK0(TypeCancelled, []byte{reason})
	if err != nil {
		return nil, err
	}
	v.Wipe()
	return rec, nil
}

// Auth returns PedAuth. Before it, in ModeRPV, the caller has checked that the
// orange key lists Peer().IssuingFP.
func (v *V) Auth(in AuthInput) (rec []byte, err error) {
	if err := v.want(StateBegun); err != nil {
		return nil, err
	}
	if rec, err = v.authenticate(&in); err != nil {
		return nil, v.fail(err)
	}
	v.dropShared()
	v.eph = nil
	v.state = StateAuth
	return rec, nil
}

func (v *V) authenticate(in *AuthInput) ([]byte, error) {
	mode := v.hello.mode
	if err := in.check(mode); err != nil {
		return nil, err
	}
	m := &pedAuth{serial: in.Serial, firmware: in.Firmware, rpkCert: in.RPKCert}
	var extra [][]byte
	switch mode {
	case ModeRPV:
		point := in.RPK.PublicKey().Bytes()
		if samePoint(point, v.parties.qeU) || samePoint(point, v.static.Bytes()) {
			return nil, ErrOwnKey
		}
		v.parties.idV = idOf(point)
		zs, err := kas.StaticUnified(in.RPK, v.static)
		if err != nil {
			return nil, err
		}
		xv, err := kas.DH(in.RPK, v.qeU)
		if err != nil {
			return nil, err
		}
		extra = [][]byte{zs, xv}
	case ModeOTP:
		st, share, err := cpace.Start(cpace.Responder, in.Password, v.th0[:], []byte(cpaceCI), nil)
		if err != nil {
			return nil, err
		}
		key, err := st.Finish(v.proof.share, nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfirmation, err)
		}
		m.share, extra = share, [][]byte{key}
	}
	body := m.body()
	v.script.add(TypePedAuth, body)
	v.th1 = v.script.sum()
	var err error
	if v.dkm, err = deriveDKM(&v.parties, v.shared, &v.th1, in.RPV, extra...); err != nil {
		return nil, err
	}
	tag := macTag(v.dkm.macKey(), v.parties.tagData(dirVU, &v.th1))
	return v.sealK0(TypePedAuth, append(body, tag...))
}

// checkConfirm verifies MacTagU and opens the session.
func (v *V) checkConfirm(tag []byte) (err error) {
	if len(tag) != TagSize || !checkTag(v.dkm.macKey(), v.parties.tagData(dirUV, &v.th1), tag) {
		return ErrConfirmation
	}
	v.dkm.wipeMacKey()
	if !v.peer.Known {
		if err := v.checkCounter(); err != nil {
			return err
		}
	}
	dkm := v.dkm
	v.dkm = keys{}
	v.s, err = newSession(dirVU, dkm, v.limits)
	return err
}

// Session returns the session after EvConfirmed, else nil.
func (v *V) Session() *Session { return v.s }
