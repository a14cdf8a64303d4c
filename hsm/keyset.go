package hsm

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"slices"

	"openped/certs"
	"openped/internal/audit"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/rpv"
)

// keyset is what CreateKeyset has brought: a secret, new or reused, and its
// splitting.
type keyset struct {
	role   protocol.Role
	set    protocol.SetID
	m, n   int
	secret *secret.Buffer
	shares []rpv.Share
	rpks   []rpk      // orange, new: one per share
	grants [][64]byte // orange, reused: the RPKs that were certified
	reused bool       // read from existing keys: nothing was written
	// used has the PED keys that the keyset is on: none may be written again, it
	// would lose what it holds.
	used []protocol.KeySerial
}

// rpk is the static key of one orange share.
type rpk struct {
	private *secret.Buffer
	cert    []byte
	id      [64]byte
}

func (k *keyset) destroy() {
	if k == nil {
		return
	}
	k.secret.Destroy()
	for _, s := range k.shares {
		s.Value.Destroy()
	}
	for _, r := range k.rpks {
		r.private.Destroy()
	}
}

// listed returns the fingerprints of the RPKs that the keyset brings.
func (k *keyset) listed() [][64]byte {
	ids := k.grants
	for _, r := range k.rpks {
		ids = append(ids, r.id)
	}
	return ids
}

// keysetOrder says what keyset is wanted and how it becomes live.
type keysetOrder struct {
	role protocol.Role
	// commit makes the set live by one Update. Nil: it stays pending, the caller
	// commits it later together with something else; the PED then promotes
	// nothing.
	commit func(*keyset) error
}

// createKeyset runs the whole dialogue: reuse or new, M and N, writing, commit,
// duplicates. The caller destroys the keyset. After a commit nothing is an error
// any more: what fails then are duplicates.
func (c *ceremony) createKeyset(order keysetOrder) (*keyset, error) {
	sp := spec(order.role)
	o, err := c.operate(order.role, func(id protocol.CeremonyID) protocol.Message {
		return &protocol.CreateKeyset{Ceremony: id, Role: order.role, KeyType: sp.key, TimeoutSec: c.slot.timeout, MayReuse: true, LiveSet: c.slot.liveSet(order.role)}
	})
	if err != nil {
		if o != nil {
			err = o.abort(err)
		}
		return nil, err
	}
	ks, err := o.makeKeyset()
	if err == nil && order.commit != nil {
		if err = order.commit(ks); err != nil {
			err = driverError(err)
		}
	}
	if err != nil {
		ks.destroy()
		err = o.abort(err)
		c.dropPending(order.role)
		return nil, err
	}
	c.set = ks.set
	if order.commit != nil {
		c.log(audit.Record{Event: "keyset committed", Role: order.role.String(), Set: ks.set.String()})
	}
	err = o.conclude(ks, order.commit != nil)
	switch {
	case err == nil:
	case order.commit == nil:
		ks.destroy()
		err = o.abort(err)
		c.dropPending(order.role)
		return nil, err
	default:
		_ = o.abort(err)
		c.log(audit.Record{Event: "duplicates not finished", Role: order.role.String(), Set: ks.set.String(), Result: toError(err).Msg})
		if c.prompt != nil {
			c.prompt.Notice(NoticeDuplicatesFailed)
		}
	}
	return ks, nil
}

// dropPending forgets a set that was being written. If that cannot be stored the
// next start does it.
func (c *ceremony) dropPending(role protocol.Role) {
	if err := c.slot.d.Update(func(st *State) error { st.dropPending(role); return nil }); err != nil {
		c.slot.o.Log.Error("pending keyset could not be dropped", "role", role, "err", err)
	}
}

// makeKeyset does what comes before the commit.
func (o *operation) makeKeyset() (*keyset, error) {
	choice, err := expect[*protocol.KeysetChoice](o)
	switch {
	case err != nil:
		return nil, err
	case choice.Reuse && o.role == protocol.RoleRPV:
		return o.reuseRPV()
	case choice.Reuse:
		return o.reuse()
	}
	ks := &keyset{role: o.role, m: int(choice.M), n: int(choice.N), secret: secret.Random(rpv.SecretSize)}
	rand.Read(ks.set[:])
	if ks.shares, err = rpv.Split(ks.secret, ks.m, ks.n); err == nil && o.role == protocol.RoleRPV {
		err = o.newRPKs(ks)
	}
	if err == nil {
		// Durable before the first key is touched: then the disk works, and
		// whatever crashes, this HSM knows the set as one that never became live.
		err = o.setPending(ks)
	}
	if err == nil {
		err = o.writeSet(ks, 0)
	}
	if err != nil {
		ks.destroy()
		return nil, err
	}
	return ks, nil
}

func (o *operation) setPending(ks *keyset) error {
	err := o.cer.slot.d.Update(func(st *State) error {
		st.dropPending(ks.role)
		st.Pending = append(st.Pending, PendingSet{Role: ks.role, Set: ks.set, M: uint8(ks.m), N: uint8(ks.n)})
		return nil
	})
	if err != nil {
		return driverError(err)
	}
	return nil
}

// newRPKs makes and certifies a static key for every orange share.
func (o *operation) newRPKs(ks *keyset) error {
	for range ks.n {
		key, err := ecdh.P521().GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		cert, err := o.cer.slot.d.IssueRPK(key.PublicKey())
		if err != nil {
			return errorf(hsmapi.CKR_DEVICE_ERROR, "", "the HSM could not certify an orange key").with(err)
		}
		ks.rpks = append(ks.rpks, rpk{secret.From(key.Bytes()), cert, certs.IDOf(key.PublicKey())})
	}
	return nil
}

// writeSet writes one copy of all shares.
func (o *operation) writeSet(ks *keyset, dup uint8) error {
	for i, sh := range ks.shares {
		w := &protocol.WriteShare{Ceremony: o.id, Copy: dup, Index: sh.Index, M: uint8(ks.m), N: uint8(ks.n), Set: ks.set}
		op := protocol.OpCreate
		var err error
		if o.role == protocol.RoleRPV {
			op = protocol.OpProvision
			w.RPKCert = ks.rpks[i].cert
			if w.RPKKey, err = o.conn.s.WrapSecret(o.label(protocol.OpRPKKey, ks.set, sh.Index), ks.rpks[i].private.Bytes()); err != nil {
				return err
			}
		}
		if w.Wrapped, err = o.conn.s.WrapSecret(o.label(op, ks.set, sh.Index), sh.Value.Bytes()); err != nil {
			return err
		}
		if err := o.send(w); err != nil {
			return err
		}
		done, err := expect[*protocol.ShareWritten](o)
		if err != nil {
			return err
		}
		if done.Copy != dup || done.Index != sh.Index {
			return errProtocol
		}
		o.key("share written", done.Key, ks.set)
		if slices.Contains(ks.used, done.Key) {
			return errorf(keyFault, "run the command again with a key for every share", "one PED key was written twice")
		}
		ks.used = append(ks.used, done.Key)
	}
	return nil
}

// conclude tells the PED what has become live, makes the duplicates it is asked
// for, and ends the operation.
func (o *operation) conclude(ks *keyset, committed bool) error {
	news := &protocol.Committed{Ceremony: o.id}
	if committed {
		news.Set = ks.set
	}
	if ks.reused && o.role != protocol.RoleRPV {
		if err := o.send(&protocol.ShareResult{Ceremony: o.id, Status: protocol.ShareDone, Have: uint8(ks.m), Need: uint8(ks.m)}); err != nil {
			return err
		}
	}
	if ks.grants != nil { // orange keys that are reused have no duplicates here
		return errors.Join(o.send(news), o.finish(protocol.EndOK))
	}
	for dup := uint8(1); ; dup++ {
		if err := o.send(news); err != nil {
			return err
		}
		choice, err := expect[*protocol.DuplicateChoice](o)
		if err != nil {
			return err
		}
		if !choice.Yes {
			return o.finish(protocol.EndOK)
		}
		if dup == 0 { // 255 copies have been made
			return errorf(keyFault, "", "too many duplicates")
		}
		if err := o.writeSet(ks, dup); err != nil {
			return err
		}
	}
}

// ChangePIN replaces the keyset of a role: a quorum of the old one logs in,
// which counts like any login, then the new one is made. Until its last share is
// written and the change committed the old one stays in force.
func (s *Slot) ChangePIN(ctx context.Context, role protocol.Role, p Prompter) (err error) {
	c, err := s.begin(ctx, nameChange, role)
	if err != nil {
		return err
	}
	defer func() { err = c.finish(err) }()
	c.prompt = p
	joined, vault, err := c.authenticate(role)
	if err != nil {
		return err
	}
	joined.Destroy()
	defer vault.Destroy()
	ks, err := c.createKeyset(keysetOrder{role: role, commit: func(ks *keyset) error {
		sealed, err := binding{s.id.Serial, role, ks.set}.seal(ks.secret, vault)
		if err != nil {
			return err
		}
		return s.d.Update(func(st *State) error {
			st.Roles[role] = RoleRecord{Set: ks.set, M: uint8(ks.m), N: uint8(ks.n), Sealed: sealed}
			st.commitPending(ks.set)
			return nil
		})
	}})
	ks.destroy()
	return err
}
