package channeltest

import (
	"bytes"
	"errors"
	"fmt"

	"openped/protocol/channel"
)

// Names of the PED here.
const (
	PEDSerial   = "PED-0001"
	PEDFirmware = "2.9.0"
)

// UConfig returns an HSM's configuration: complete, but for a password in otp.
func (h *HSM) UConfig(mode channel.Mode) channel.UConfig {
	return channel.UConfig{Mode: mode, Serial: h.Serial, Label: "test hsm", Firmware: "7.7.0", Chain: h.Chain, Static: h.Static, Verifier: h}
}

// VConfig returns the configuration of a PED that serves mode, knows the root
// and remembers nothing.
func (p *PKI) VConfig(mode channel.Mode) channel.VConfig {
	return channel.VConfig{Modes: func(m channel.Mode) bool { return m == mode }, Verifier: p.Verifier(),
		CheckCounter: func(channel.Identity) error { return nil }}
}

// AuthInput is what a PED brings with this orange key.
func (h *HSM) AuthInput(r RPK) channel.AuthInput {
	return channel.AuthInput{Serial: PEDSerial, Firmware: PEDFirmware, RPKCert: r.Cert, RPK: r.Private, RPV: bytes.Clone(h.RPV)}
}

// Counters is a channel.VConfig.CheckCounter that keeps the highest seen.
type Counters map[[64]byte]uint64

// ErrCounter is the refusal of Counters.
var ErrCounter = errors.New("channeltest: start counter has been higher")

// Check refuses lower counters.
func (c Counters) Check(id channel.Identity) error {
	if id.StartCounter < c[id.IssuingFP] {
		return ErrCounter
	}
	c[id.IssuingFP] = id.StartCounter
	return nil
}

// Step is a message of a handshake: who sends it, and what.
type Step struct {
	FromHSM bool
	Msg     []byte
}

// Result is a finished handshake.
type Result struct {
	U       *channel.U
	V       *channel.V
	HSM     *channel.Session
	PED     *channel.Session
	Steps   []Step
	PedAuth *channel.PedAuth
}

// Handshake runs a whole handshake in memory. rpv is what the HSM holds, nil
// outside ModeRPV. The error says which call failed.
func Handshake(uc channel.UConfig, vc channel.VConfig, in channel.AuthInput, rpv []byte) (r Result, err error) {
	step := ""
	send := func(fromHSM bool, msg []byte) []byte {
		r.Steps = append(r.Steps, Step{fromHSM, bytes.Clone(msg)})
		return msg
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", step, err)
		}
	}()
	step = "NewU"
	var msg []byte
	if r.U, msg, err = channel.NewU(uc); err != nil {
		return r, err
	}
	step = "NewV"
	if r.V, msg, err = channel.NewV(vc, send(true, msg)); err != nil {
		return r, err
	}
	step = "U.Reply"
	if msg, err = r.U.Reply(send(false, msg)); err != nil {
		return r, err
	}
	step = "V.Receive(HsmProof)"
	if _, err = r.V.Receive(send(true, msg)); err != nil {
		return r, err
	}
	step = "U.Begin"
	if msg, err = r.U.Begin(); err != nil {
		return r, err
	}
	step = "V.Receive(Begin)"
	if _, err = r.V.Receive(send(true, msg)); err != nil {
		return r, err
	}
	step = "V.Auth"
	if msg, err = r.V.Auth(in); err != nil {
		return r, err
	}
	step = "U.Receive(PedAuth)"
	if _, err = r.U.Receive(send(false, msg)); err != nil {
		return r, err
	}
	r.PedAuth = r.U.Auth()
	step = "U.Finish"
	if r.HSM, msg, err = r.U.Finish(rpv); err != nil {
		return r, err
	}
	step = "V.Receive(Confirm)"
	if _, err = r.V.Receive(send(true, msg)); err != nil {
		return r, err
	}
	r.PED = r.V.Session()
	return r, nil
}
