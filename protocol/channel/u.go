package channel

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"fmt"

	"openped/internal/wire"
	"openped/protocol/kas"
	"openped/protocol/kas/cpace"
)

// UEvent is what Receive took.
type UEvent uint8

// Events of U.
const (
	UActivity UEvent = 1 // the PED's dialogue runs: wait on
	UAuth     UEvent = 2 // PedAuth is here, its tag not yet looked at: see Auth, then Finish
)

// PedAuth is what a PED said of itself in PedAuth. Until Finish has returned
// none of it is authenticated.
type PedAuth struct {
	Serial   string
	Firmware string
	RPKCert  []byte   // ModeRPV: verified as listed; the PED has not yet proven to have its key
	RPKFP    [64]byte // ID_V, SHA-512 of the RPK's SubjectPublicKeyInfo; zero without one
}

// U is the HSM's side of one handshake. It is not for several goroutines.
type U struct {
	core
	cfg   UConfig
	hello []byte
	kem   *mlkem.DecapsulationKey1024
	share []byte // our CPace share
	auth  *pedAuth
	rpk   *ecdh.PublicKey
}

// NewU starts a handshake and returns the Hello to send.
func NewU(cfg UConfig) (u *U, hello []byte, err error) { return newU(cfg, nil) }

func newU(cfg UConfig, exts []Extension) (*U, []byte, error) {
	u := &U{cfg: cfg}
	u.limits = cfg.Limits
	if !cfg.LiveSet.IsZero() {
		exts = append([]Extension{{Type: extLiveSet, Value: cfg.LiveSet[:]}}, exts...)
	}
	u.forget = func() { u.kem, u.cfg.Password, u.cfg.Static = nil, nil, nil }
	if err := cfg.check(); err != nil {
		return nil, nil, u.fail(err)
	}
	eph, err := curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, u.fail(err)
	}
	dk, err := mlkem.GenerateKey1024()
	if err != nil {
		return nil, nil, u.fail(err)
	}
	u.eph, u.kem = eph, dk
	h := &hello{minVersion: Version, maxVersion: Version, mode: cfg.Mode, serial: cfg.Serial, label: cfg.Label,
		firmware: cfg.Firmware, point: eph.PublicKey().Bytes(), encapKey: dk.EncapsulationKey().Bytes(), chain: cfg.Chain, exts: exts}
	rand.Read(h.nonce[:])
	p := &u.parties
	p.mode, p.nonceU, p.qeU, p.idU = h.mode, h.nonce, h.point, idOf(cfg.Static.PublicKey().Bytes())
	u.hello = h.encode()
	return u, bytes.Clone(u.hello), nil
}

// Reply takes the PED's Reply and returns HsmProof.
func (u *U) Reply(msg []byte) (proof []byte, err error) {
	if err := u.want(StateHello); err != nil {
		return nil, err
	}
	if IsAlert(msg) {
		return nil, u.end(ErrAlert)
	}
	m, err := decodeReply(msg)
	if err != nil {
		return nil, u.fail(err)
	}
	if m.version != Version {
		return nil, u.fail(ErrVersion)
	}
	if samePoint(m.point, u.parties.qeU) || samePoint(m.point, u.cfg.Static.PublicKey().Bytes()) {
		return nil, u.fail(ErrOwnKey)
	}
	if proof, err = u.prove(msg, m); err != nil {
		return nil, u.fail(err)
	}
	u.state = StateProven
	return proof, nil
}

// prove agrees on K0 and makes HsmProof.
func (u *U) prove(msg []byte, m *reply) ([]byte, error) {
	peer, err := curve().NewPublicKey(m.point)
	if err != nil {
		return nil, wire.ErrMalformed
	}
	ss, err := u.kem.Decapsulate(m.kem)
	if err != nil {
		return nil, wire.ErrMalformed
	}
	xu, err := kas.OnePassDHV(u.cfg.Static, peer)
	if err != nil {
		return nil, err
	}
	ze, err := kas.DH(u.eph, peer)
	if err != nil {
		return nil, err
	}
	u.shared = newShared(xu, ze, ss)
	u.parties.nonceV, u.parties.qeV = m.nonce, bytes.Clone(m.point)
	u.script = newTranscript(u.hello, msg)
	u.hello, u.kem = nil, nil
	th0 := u.script.sum()
	if err := u.startK0(dirUV, &th0); err != nil {
		return nil, err
	}
	var proof hsmProof
	if u.cfg.Mode == ModeOTP {
		u.cpace, proof.share, err = cpace.Start(cpace.Initiator, u.cfg.Password, th0[:], []byte(cpaceCI), nil)
		u.cfg.Password, u.share = nil, proof.share
		if err != nil {
			return nil, err
		}
	}
	proof.tag = macTag(u.k0.macKey(), u.parties.proofData(&th0, proof.share))
	u.k0.wipeMacKey()
	u.script.add(TypeHsmProof, proof.body())
	return proof.encode(), nil
}

// cpaceCI is the channel identifier of CPace; sid is TH0.
const cpaceCI = "openped v1 otp"

// Begin returns the record that lets the PED ask a person. The HSM sends it
// when it wants the handshake finished, which may be long after HsmProof.
func (u *U) Begin() (rec []byte, err error) {
	if err := u.want(StateProven); err != nil {
		return nil, err
	}
	if rec, err = u.sealK0(TypeBegin, nil); err != nil {
		return nil, err
	}
	u.state = StateBegun
	return rec, nil
}

// Receive takes what a PED sends after Begin; before it, and after PedAuth, that
// is its alert only. An operator's cancellation is a *CancelledError.
func (u *U) Receive(rec []byte) (UEvent, error) {
	if err := u.want(StateProven, StateBegun, StateAuth); err != nil {
		return 0, err
	}
	if IsAlert(rec) {
		return 0, u.end(ErrAlert)
	}
	if u.state != StateBegun {
		return 0, u.fail(ErrSequence)
	}
	t, payload, err := u.openK0(rec)
	if err != nil {
		return 0, u.fail(err)
	}
	switch t {
	case TypeActivity:
		if len(payload) != 0 {
			return 0, u.fail(wire.ErrMalformed)
		}
		return UActivity, nil
	case TypeCancelled:
		if len(payload) != 1 || payload[0] == 0 {
			return 0, u.fail(wire.ErrMalformed)
		}
		return 0, u.end(&CancelledError{Reason: payload[0]})
	case TypePedAuth:
		if err := u.takeAuth(payload); err != nil {
			return 0, u.fail(err)
		}
		u.state = StateAuth
		return UAuth, nil
	}
	return 0, u.fail(fmt.Errorf("%w: %v", ErrSequence, t))
}

// takeAuth parses PedAuth and checks everything in it but its tag.
func (u *U) takeAuth(payload []byte) error {
	m, err := decodePedAuth(payload, u.cfg.Mode)
	if err != nil {
		return err
	}
	if u.cfg.Mode == ModeRPV {
		// Who may be a PED is the verifier's to say; that it is none of our own
		// keys of this handshake, or the PED's ephemeral one, is ours.
		if u.rpk, err = u.cfg.Verifier.VerifyRPK(m.rpkCert); err != nil {
			return fmt.Errorf("%w: %w", ErrPeerIdentity, err)
		}
		if u.rpk == nil || u.rpk.Curve() != curve() {
			return ErrPeerIdentity
		}
		point := u.rpk.Bytes()
		if samePoint(point, u.parties.qeU) || samePoint(point, u.parties.qeV) || samePoint(point, u.cfg.Static.PublicKey().Bytes()) {
			return ErrOwnKey
		}
		u.parties.idV = idOf(point)
	}
	// An empty share equals an empty share: this is about otp.
	if len(m.share) > 0 && bytes.Equal(m.share, u.share) {
		return ErrOwnKey
	}
	u.auth = m
	u.script.add(TypePedAuth, m.body())
	return nil
}

// Auth returns what PedAuth said, or nil before it came.
func (u *U) Auth() *PedAuth {
	if u.auth == nil {
		return nil
	}
	return &PedAuth{Serial: u.auth.serial, Firmware: u.auth.firmware, RPKCert: bytes.Clone(u.auth.rpkCert), RPKFP: u.parties.idV}
}

// Finish looks at MacTagV and returns the session and Confirm. rpv is the
// 64-byte RPV in ModeRPV and nil else; it is not kept.
//
// The caller has durably counted the attempt against the RPK (ModeRPV) or used
// up the password (ModeOTP) before it calls: a peer that guesses must not be
// able to make us forget that it did.
func (u *U) Finish(rpv []byte) (s *Session, confirm []byte, err error) {
	if err := u.want(StateAuth); err != nil {
		return nil, nil, err
	}
	if s, confirm, err = u.finish(rpv); err != nil {
		return nil, nil, u.fail(err)
	}
	u.dropK0()
	u.dropShared()
	u.eph, u.rpk, u.cfg.Static = nil, nil, nil
	u.state = StateComplete
	return s, confirm, nil
}

func (u *U) finish(rpv []byte) (*Session, []byte, error) {
	if err := checkRPV(u.cfg.Mode, rpv); err != nil {
		return nil, nil, err
	}
	var extra [][]byte
	switch u.cfg.Mode {
	case ModeRPV:
		zs, err := kas.StaticUnified(u.cfg.Static, u.rpk)
		if err != nil {
			return nil, nil, err
		}
		xv, err := kas.DH(u.eph, u.rpk)
		if err != nil {
			return nil, nil, err
		}
		extra = [][]byte{zs, xv}
	case ModeOTP:
		key, err := u.cpace.Finish(u.auth.share, nil)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrConfirmation, err)
		}
		extra = [][]byte{key}
	}
	th1 := u.script.sum()
	dkm, err := deriveDKM(&u.parties, u.shared, &th1, rpv, extra...)
	if err != nil {
		return nil, nil, err
	}
	if !checkTag(dkm.macKey(), u.parties.tagData(dirVU, &th1), u.auth.tag) {
		dkm.buf.Destroy()
		return nil, nil, ErrConfirmation
	}
	tag := macTag(dkm.macKey(), u.parties.tagData(dirUV, &th1))
	dkm.wipeMacKey()
	confirm, err := u.sealK0(TypeConfirm, tag)
	if err != nil {
		dkm.buf.Destroy()
		return nil, nil, err
	}
	s, err := newSession(dirUV, dkm, u.limits)
	return s, confirm, err
}
