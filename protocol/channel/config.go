package channel

import (
	"crypto/ecdh"
	"crypto/sha512"

	"openped/protocol"
)

// UConfig is what an HSM brings to a handshake.
type UConfig struct {
	Mode     Mode
	Serial   string           // as certified, 1 to MaxSerial printable ASCII bytes
	Label    string           // up to MaxLabel, shown as claimed
	Firmware string           // up to MaxFirmware
	Chain    [][]byte         // DER: static, issuing and, for a first contact, the origin root
	Static   *ecdh.PrivateKey // P-521, the key that Chain certifies
	Password []byte           // ModeOTP only; used until Reply returns, not kept
	Verifier PeerVerifier     // VerifyRPK, ModeRPV only
	LiveSet  protocol.SetID   // ModeRPV: the set of the present RPV, for orange keys that hold two; zero says nothing
	Limits   Limits           // zero: the defaults
}

func (c *UConfig) check() error {
	if !c.Mode.valid() || c.Serial == "" || !text(c.Serial, MaxSerial) || !text(c.Label, MaxLabel) || !text(c.Firmware, MaxFirmware) {
		return ErrConfig
	}
	if c.Static == nil || c.Static.Curve() != curve() || len(c.Chain) < 2 || len(c.Chain) > 3 {
		return ErrConfig
	}
	for _, cert := range c.Chain {
		if len(cert) == 0 || len(cert) > MaxCert {
			return ErrConfig
		}
	}
	if !c.LiveSet.IsZero() && c.Mode != ModeRPV {
		return ErrConfig
	}
	if (c.Mode == ModeOTP) != (len(c.Password) > 0) || c.Mode == ModeRPV && c.Verifier == nil {
		return ErrConfig
	}
	return nil
}

// VConfig is what a PED brings to a handshake.
type VConfig struct {
	// Modes is the PED's own switch, set at the PED: which modes it serves now.
	// Nil serves none.
	Modes func(Mode) bool
	// AllowUnknownRoot takes HSMs of origin roots that the verifier does not
	// know, in ModeOTP only, and only while the PED's operator has chosen so.
	AllowUnknownRoot bool
	Verifier         PeerVerifier // VerifyHSM
	// CheckCounter refuses a start counter lower than the highest seen for the
	// issuing key, and keeps a higher one durably. For known roots it is called
	// before anything is answered; for unknown ones only when Confirm has
	// verified, before EvConfirmed: strangers leave no trace in the PED.
	CheckCounter func(Identity) error
	Limits       Limits // zero: the defaults
}

// AuthInput is what the dialogue has brought; nothing of it is kept.
type AuthInput struct {
	Serial   string           // of the PED, 1 to MaxSerial bytes
	Firmware string           // of the PED, up to MaxFirmware
	RPKCert  []byte           // ModeRPV: of the orange key, DER
	RPK      *ecdh.PrivateKey // ModeRPV: of the orange key, P-521
	RPV      []byte           // ModeRPV: 64 bytes
	Password []byte           // ModeOTP
}

func (in *AuthInput) check(mode Mode) error {
	if in.Serial == "" || !text(in.Serial, MaxSerial) || !text(in.Firmware, MaxFirmware) {
		return ErrConfig
	}
	if (mode == ModeRPV) != (in.RPK != nil) || (mode == ModeRPV) != (len(in.RPKCert) > 0) || (mode == ModeOTP) != (len(in.Password) > 0) {
		return ErrConfig
	}
	if in.RPK != nil && in.RPK.Curve() != curve() || len(in.RPKCert) > MaxCert {
		return ErrConfig
	}
	return checkRPV(mode, in.RPV)
}

// rpvSize is the size of an RPV in bytes.
const rpvSize = sha512.Size

func checkRPV(mode Mode, rpv []byte) error {
	if mode == ModeRPV && len(rpv) != rpvSize || mode != ModeRPV && rpv != nil {
		return ErrConfig
	}
	return nil
}
