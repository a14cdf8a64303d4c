package hsm

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/x509"

	"openped/certs"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// InitRPV makes a remote PED vector, or takes one over, and puts it on orange
// keys. On an initialised HSM g must be a login of the SO. Until the first full
// set is written and the change committed, the old RPV stays in force; then the
// new list of RPKs replaces the old one, and old orange keys are refused.
//
// Afterwards the session, whatever it was set up with, is replaced: the PED
// shows that it has the new RPV when the next ceremony needs it.
func (s *Slot) InitRPV(ctx context.Context, g *Grant, p Prompter) (err error) {
	c, err := s.begin(ctx, nameVector, protocol.RoleRPV)
	if err != nil {
		return err
	}
	defer func() { err = c.finish(err) }()
	c.prompt = p
	initialized := false
	s.d.View(func(st *State) { initialized = st.Initialized() })
	if initialized {
		if err := s.granted(g, protocol.RoleSO); err != nil {
			return err
		}
	}
	if err := c.start(); err != nil {
		return err
	}
	ks, err := c.createKeyset(keysetOrder{role: protocol.RoleRPV, commit: s.commitRPV})
	if err != nil {
		return err
	}
	ks.destroy()
	c.renew()
	return nil
}

// commitRPV puts an RPV and its list in force.
func (s *Slot) commitRPV(ks *keyset) error {
	return s.d.Update(func(st *State) error {
		st.RPV = &RPVRecord{Set: ks.set, M: uint8(ks.m), N: uint8(ks.n), Value: secret.Copy(ks.secret.Bytes()), RPKs: ks.listed()}
		st.Failed = nil
		st.commitPending(ks.set)
		return nil
	})
}

// renew ends the session and begins the handshake of the next one; nobody is
// asked for the orange key before it is needed. What fails here, fails again
// and is reported when somebody wants the PED.
func (c *ceremony) renew() {
	if !c.conn.alive() {
		return
	}
	c.conn.close()
	c.conn.dropPassword()
	if err := c.conn.prove(c.ctx); err != nil {
		c.slot.o.Log.Info("no new handshake yet", "cause", err)
	}
}

// certifyRPK certifies the RPK of an orange key that was made elsewhere.
func (c *ceremony) certifyRPK(spki []byte) (id [64]byte, cert []byte, err error) {
	pub, err := parseRPK(spki)
	if err != nil {
		return id, nil, err
	}
	id = certs.IDOf(pub)
	if c.slot.isOwn(id) {
		return id, nil, errorf(hsmapi.CKR_PED_AUTH_FAILED, "", "an orange key holds a key of this HSM")
	}
	if cert, err = c.slot.d.IssueRPK(pub); err != nil {
		return id, nil, errorf(hsmapi.CKR_DEVICE_ERROR, "", "the HSM could not certify an orange key").with(err)
	}
	return id, cert, nil
}

// parseRPK reads a P-521 public key in its one encoding.
func parseRPK(spki []byte) (*ecdh.PublicKey, error) {
	k, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, errProtocol
	}
	key, ok := k.(*ecdsa.PublicKey)
	if !ok {
		return nil, errProtocol
	}
	pub, err := key.ECDH()
	if err != nil || pub.Curve() != ecdh.P521() {
		return nil, errProtocol
	}
	return pub, nil
}
