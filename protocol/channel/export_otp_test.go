package channel

import (
	"openped/protocol/kas/cpace"
)

// TryPassword does with PedAuth, and all that U knows, what U would do had it the
// password: an attacker in U's place tries one after the other on what he has
// recorded.
func (u *U) TryPassword(th0, password []byte) error {
	c := u.Clone()
	st, _, err := cpace.Start(cpace.Initiator, password, th0, []byte(cpaceCI), nil)
	if err != nil {
		panic(err)
	}
	c.cpace = st
	_, _, err = c.finish(nil)
	return err
}

// ForgeShare is HsmProof with a CPace share of the attacker's, under a tag that
// is right.
func (u *U) ForgeShare(reply, share []byte) []byte {
	hello := u.hello
	m, err := decodeReply(reply)
	if err != nil {
		panic(err)
	}
	if _, err := u.prove(reply, m); err != nil {
		panic(err)
	}
	u.script = newTranscript(hello, reply)
	th0 := u.script.sum()
	u.dropK0()
	if err := u.startK0(dirUV, &th0); err != nil {
		panic(err)
	}
	p := hsmProof{share: share, tag: macTag(u.k0.macKey(), u.parties.proofData(&th0, share))}
	u.script.add(TypeHsmProof, p.body())
	u.state = StateProven
	return p.encode()
}
