package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"

	"openped/certs"
	"openped/protocol/channel"
	"openped/protocol/channel/channeltest"
)

// setup is an HSM and an orange key with real certificates.
type setup struct {
	root    *certs.OriginRoot
	issuing *certs.Issuing
	static  *ecdh.PrivateKey // the HSM's
	chain   [][]byte         // static, issuing, root: as an HSM sends it
	rpk     *ecdh.PrivateKey // the orange key's
	rpkCert []byte
	rpv     []byte
}

func newSetup() (*setup, error) {
	root, err := certs.NewOriginRoot("Bench origin")
	if err != nil {
		return nil, err
	}
	s := &setup{root: root, rpv: make([]byte, 64)}
	if s.issuing, err = root.NewIssuing("1234567"); err != nil {
		return nil, err
	}
	if s.static, err = ecdh.P521().GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	der, err := s.issuing.IssueStatic(s.static.PublicKey(), 1)
	if err != nil {
		return nil, err
	}
	s.chain = s.issuing.Chain(der)
	if s.rpk, err = ecdh.P521().GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	if s.rpkCert, err = s.issuing.IssueRPK(s.rpk.PublicKey()); err != nil {
		return nil, err
	}
	rand.Read(s.rpv)
	return s, nil
}

// pedVerifier is what a PED keeps for as long as it runs.
func (s *setup) pedVerifier() *certs.HSMVerifier {
	return &certs.HSMVerifier{Roots: []*x509.Certificate{s.root.Cert}}
}

// hsmVerifier is what an HSM keeps for as long as it runs.
func (s *setup) hsmVerifier() *certs.RPKVerifier {
	listed, own := certs.IDOf(s.rpk.PublicKey()), certs.IDOf(s.static.PublicKey())
	return &certs.RPKVerifier{
		IssuingDER: s.issuing.CertDER,
		Listed:     func(fp [64]byte) bool { return fp == listed },
		Own:        func(fp [64]byte) bool { return fp == own },
	}
}

// run is one handshake in mode rpv in memory, HSM and PED in turn, from the
// HSM's first call until both hold a session, and the end of both sessions.
// There is everything in it that protocol/channel and certs do: making, hashing
// and parsing the messages, the certificates' profiles, pages locked for keys
// and given back. Outside it are what a person, a disk or a network does: the
// dialogue, the durable start counter and the durable count of attempts (here
// no-ops), PEDserver and PEDclient. The driver copies each message once.
func (s *setup) run(ped *certs.HSMVerifier, hsm *certs.RPKVerifier) (channeltest.Result, error) {
	return channeltest.Handshake(
		channel.UConfig{Mode: channel.ModeRPV, Serial: s.issuing.Serial, Label: "bench", Firmware: "7.7.0",
			Chain: s.chain, Static: s.static, Verifier: hsm},
		channel.VConfig{Modes: func(m channel.Mode) bool { return m == channel.ModeRPV }, Verifier: ped,
			CheckCounter: func(channel.Identity) error { return nil }},
		channel.AuthInput{Serial: channeltest.PEDSerial, Firmware: channeltest.PEDFirmware,
			RPKCert: s.rpkCert, RPK: s.rpk, RPV: s.rpv},
		s.rpv)
}

func (s *setup) runAndWipe(ped *certs.HSMVerifier, hsm *certs.RPKVerifier) error {
	r, err := s.run(ped, hsm)
	if err != nil {
		return err
	}
	r.HSM.Wipe()
	r.PED.Wipe()
	return nil
}

// handshake returns a handshake as daemons do it that have met before: the PED
// remembers that it has verified this issuing certificate under this root, the
// HSM that it has verified this RPK certificate. One signature is verified, on
// the certificate of the HSM's static key.
func (s *setup) handshake() (func() error, error) {
	ped, hsm := s.pedVerifier(), s.hsmVerifier()
	run := func() error { return s.runAndWipe(ped, hsm) }
	return run, run() // they meet
}

// coldHandshake is the first handshake of two processes: nothing is remembered,
// all three signatures (static, issuing, RPK) are verified.
func (s *setup) coldHandshake() error { return s.runAndWipe(s.pedVerifier(), s.hsmVerifier()) }
