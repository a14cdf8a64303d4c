package channel

import (
	"crypto/ecdh"
	"errors"

	"openped/protocol/kas/cpace"
)

// State is how far a handshake has come.
type State uint8

// States, for U and V alike.
const (
	StateHello    State = iota // Hello has been made (U)
	StateReplied               // Reply has been made (V)
	StateProven                // HsmProof has been made (U) or has verified (V)
	StateBegun                 // Begin: a person may be asked
	StateAuth                  // PedAuth has been taken (U) or made (V)
	StateComplete              // both tags are done; the session lives
	StateDead                  // after any error, alert or cancellation
)

var stateNames = [...]string{"hello", "replied", "proven", "begun", "auth", "complete", "dead"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Identity is who an HSM is, as its certificates say.
type Identity struct {
	Serial       string   // the serial in the issuing certificate
	IssuingFP    [64]byte // SHA-512 of the issuing key's SubjectPublicKeyInfo (DER)
	RootFP       [64]byte // of the origin root's
	StartCounter uint64   // of the static key's certificate
	Known        bool     // the root is one of the verifier's
}

// PeerVerifier checks certificates. Each side needs one of its methods.
type PeerVerifier interface {
	// VerifyHSM checks the chain of U's static key (static, issuing, root if sent)
	// and returns who it is and the static public key. With unknownOK a root that
	// the verifier does not know is taken, and Identity.Known is false.
	VerifyHSM(chain [][]byte, unknownOK bool) (Identity, *ecdh.PublicKey, error)
	// VerifyRPK checks an RPK certificate on U's side: signed by U's own issuing
	// key, of that role, listed with the current RPV, not a key of U's own. It
	// returns its public key.
	VerifyRPK(cert []byte) (*ecdh.PublicKey, error)
}

// core is what both sides hold during a handshake.
type core struct {
	state   State
	parties parties
	script  transcript
	shared  shared
	k0      keys
	out, in *half // under K0
	limits  Limits
	eph     *ecdh.PrivateKey
	cpace   *cpace.State
	dkm     keys   // V's, while it waits for Confirm
	forget  func() // what only one side holds
}

// fail ends the handshake for a cause of ours.
func (c *core) fail(cause error) error {
	stage := c.state.String()
	c.wipe()
	var refused *RefusedError
	if errors.As(cause, &refused) {
		return cause
	}
	return &RefusedError{Stage: stage, Cause: cause}
}

// end ends it for a reason of the peer's.
func (c *core) end(err error) error { c.wipe(); return err }

func (c *core) wipe() {
	c.state = StateDead
	c.dropK0()
	c.dropShared()
	c.dkm.buf.Destroy()
	c.dkm.buf, c.eph = nil, nil
	c.cpace.Wipe()
	if c.forget != nil {
		c.forget()
	}
}

func (c *core) dropShared() {
	c.shared.buf.Destroy()
	c.shared.buf = nil
}

func (c *core) dropK0() {
	c.k0.buf.Destroy()
	c.k0.buf, c.out, c.in = nil, nil, nil
}

// want refuses a call that the state does not allow.
func (c *core) want(states ...State) error {
	for _, s := range states {
		if c.state == s {
			return nil
		}
	}
	if c.state == StateDead {
		return &RefusedError{Stage: c.state.String(), Cause: ErrDead}
	}
	return c.fail(ErrSequence)
}

// startK0 derives the K0 keys; own is the direction that this side sends in.
func (c *core) startK0(own direction, th0 *[64]byte) (err error) {
	if c.k0, err = deriveK0(&c.parties, c.shared, th0); err != nil {
		return err
	}
	if c.out, err = c.k0.half(own, c.limits); err != nil {
		return err
	}
	c.in, err = c.k0.half(dirUV+dirVU-own, c.limits)
	return err
}

// sealK0 makes the next K0 record.
func (c *core) sealK0(t Type, payload []byte) ([]byte, error) {
	if !c.out.room(len(payload)) {
		return nil, c.fail(ErrExpired)
	}
	return c.out.seal(nil, t, payload), nil
}

// openK0 takes the next K0 record.
func (c *core) openK0(rec []byte) (Type, []byte, error) {
	if !c.in.room(0) {
		return 0, nil, ErrExpired
	}
	return c.in.open(nil, rec)
}

// State returns how far the handshake has come.
func (c *core) State() State { return c.state }

// Wipe ends the handshake, if it still runs, and forgets its keys. A session
// that it has led to is not touched.
func (c *core) Wipe() { c.wipe() }

func curve() ecdh.Curve { return ecdh.P521() }
