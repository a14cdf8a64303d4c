package hsm

import (
	"fmt"

	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/rpv"
)

// reuse takes an existing keyset over. Its quorum is read twice, PINs typed
// anew: nobody here can tell a right secret from a wrong one, and a mistyped PIN
// would otherwise become the role's secret.
func (o *operation) reuse() (_ *keyset, err error) {
	first, err := o.readQuorum(nil)
	if err != nil {
		return nil, err
	}
	defer first.destroy()
	if err := o.send(&protocol.ShareResult{Ceremony: o.id, Status: protocol.ShareAgain, Need: uint8(first.m)}); err != nil {
		return nil, err
	}
	second, err := o.readQuorum(first)
	if err != nil {
		return nil, err
	}
	defer second.destroy()
	a, err := rpv.Join(first.shares)
	if err != nil {
		return nil, err
	}
	defer a.Destroy()
	b, err := rpv.Join(second.shares)
	if err != nil {
		return nil, err
	}
	if !a.Equal(b) {
		b.Destroy()
		return nil, o.differ()
	}
	ks := &keyset{role: o.role, set: second.set, m: int(second.m), n: int(second.n), secret: b, reused: true,
		used: append(first.keys, second.keys...)}
	// The same shares as ever, all N of them: duplicates fit the keys there are.
	if ks.shares, err = rpv.Extend(second.shares, ks.n); err != nil {
		ks.destroy()
		return nil, err
	}
	return ks, nil
}

// differ ends a reuse whose two readings are not the same.
func (o *operation) differ() error {
	if err := o.send(&protocol.ShareResult{Ceremony: o.id, Status: protocol.ShareFailed}); err != nil {
		return err
	}
	if err := o.finish(protocol.EndFailed); err != nil {
		return err
	}
	return errorf(hsmapi.CKR_PIN_INCORRECT, "run the command again; type each PIN with care",
		"the keyset was not read the same twice: a PIN was mistyped; nothing was changed")
}

// reading is a quorum of a keyset that this HSM does not know: the first key
// says which set it is and how many it takes.
type reading struct {
	quorum
	set  protocol.SetID
	m, n uint8
}

// readQuorum reads one pass. With like it takes that set only.
func (o *operation) readQuorum(like *reading) (_ *reading, err error) {
	r := &reading{}
	if like != nil {
		r.set, r.m, r.n, r.need = like.set, like.m, like.n, like.need
	}
	defer func() {
		if err != nil {
			r.destroy()
		}
	}()
	for {
		kp, set, err := o.presentAny(&r.quorum, r.set)
		if err != nil {
			return nil, err
		}
		sh, err := expect[*protocol.Share](o)
		if err != nil {
			return nil, err
		}
		if sh.Key != kp.Key || sh.Set != set {
			return nil, fmt.Errorf("%w: share of another key", errProtocol)
		}
		value, err := o.unwrap(protocol.OpReuse, sh.Set, sh.Index, sh.Wrapped)
		if err != nil {
			return nil, err
		}
		if r.set.IsZero() {
			r.set, r.m, r.n, r.need = sh.Set, sh.M, sh.N, int(sh.M)
		}
		if sh.M != r.m || sh.N != r.n {
			value.Destroy()
			return nil, errorf(keyFault, "", "the keys of this set disagree about M and N")
		}
		status := protocol.ShareMore
		if !r.add(sh, value) {
			status = protocol.ShareSame
		}
		if status == protocol.ShareMore && r.full() {
			return r, nil
		}
		if err := o.send(r.result(o.id, status)); err != nil {
			return nil, err
		}
		if status == protocol.ShareSame {
			if err := o.refuse(); err != nil {
				return nil, err
			}
		}
	}
}

// presentAny waits for a key of any set or, once want is known, of that one, and
// answers which of the key's sets to read: the current one unless there is none
// or the pending one is what is wanted. No pending set is erased here, and only
// this HSM's own live set is promoted: another HSM decides over the others.
func (o *operation) presentAny(q *quorum, want protocol.SetID) (*protocol.KeyPresented, protocol.SetID, error) {
	for {
		kp, err := expect[*protocol.KeyPresented](o)
		if err != nil {
			return nil, want, err
		}
		set, use := kp.Current, &protocol.UseSet{Ceremony: o.id, Use: protocol.UseCurrent, Reason: protocol.ReasonUnknownSet}
		if kp.Current.IsZero() || kp.Pending == want && !want.IsZero() {
			set, use.Use = kp.Pending, protocol.UsePending
		}
		if use.Use == protocol.UsePending && o.cer.slot.isLive(set) {
			use.Reason = protocol.ReasonNone
		}
		known := use.Use == protocol.UseCurrent || kp.Current.IsZero()
		same := q.hasKey(kp.Key) || known && set == want && q.has(kp.Index)
		switch {
		case same:
			use.Use, use.Reason = protocol.UseRefuse, protocol.ReasonSameKey
		case !want.IsZero() && set != want:
			use.Use, use.Reason = protocol.UseRefuse, protocol.ReasonUnknownSet
		}
		o.key("key shown", kp.Key, set)
		if err := o.send(use); err != nil {
			return nil, want, err
		}
		if use.Use != protocol.UseRefuse {
			return kp, set, nil
		}
		if err := o.refuse(); err != nil {
			return nil, want, err
		}
	}
}

// isLive reports whether a set is in force on this HSM.
func (s *Slot) isLive(set protocol.SetID) (live bool) {
	s.d.View(func(st *State) {
		for _, rec := range st.Roles {
			live = live || rec.Set == set
		}
		live = live || st.RPV != nil && st.RPV.Set == set
	})
	return live
}

// liveSet returns the set of a role, or of the RPV, that is in force; zero if
// there is none.
func (s *Slot) liveSet(role protocol.Role) (set protocol.SetID) {
	s.d.View(func(st *State) {
		set = st.Roles[role].Set
		if role == protocol.RoleRPV && st.RPV != nil {
			set = st.RPV.Set
		}
	})
	return set
}

// reuseRPV takes over an RPV that the PED joins, twice, from orange keys. No
// share comes here. In the second pass each key gets a certificate of this HSM
// for its RPK; these are the RPKs that will be listed.
func (o *operation) reuseRPV() (*keyset, error) {
	first, err := o.readOrange(nil)
	if err != nil {
		return nil, err
	}
	second, err := o.readOrange(first)
	if err != nil {
		return nil, err
	}
	m, err := expect[*protocol.ReusedRPV](o)
	if err != nil {
		return nil, err
	}
	if m.Set != second.set || m.M != second.m || m.N != second.n {
		return nil, errProtocol
	}
	v, err := o.unwrap(protocol.OpReuseRPV, m.Set, 0, m.Wrapped)
	if err != nil {
		return nil, err
	}
	return &keyset{role: o.role, set: m.Set, m: int(m.M), n: int(m.N), secret: v, reused: true, grants: second.ids}, nil
}

// orangePass is what one reading of orange keys has shown.
type orangePass struct {
	quorum
	set  protocol.SetID
	m, n uint8
	ids  [][64]byte // RPKs certified
}

// readOrange follows one pass; the PED keeps the shares. With like it is the
// second one.
func (o *operation) readOrange(like *orangePass) (*orangePass, error) {
	r := &orangePass{}
	if like != nil {
		r.set, r.m, r.n, r.need = like.set, like.m, like.n, like.need
	}
	for {
		kp, set, err := o.presentAny(&r.quorum, r.set)
		if err != nil {
			return nil, err
		}
		id, cert, err := o.cer.certifyRPK(kp.RPKPub)
		if err != nil {
			return nil, err
		}
		if r.set.IsZero() {
			r.set, r.m, r.n, r.need = set, kp.M, kp.N, int(kp.M)
		}
		if like != nil {
			if err := o.send(&protocol.Grant{Ceremony: o.id, RPKCert: cert}); err != nil {
				return nil, err
			}
			r.ids = append(r.ids, id)
		}
		// Of a pending set next to a current one only the PED knows the index.
		if set == kp.Current || kp.Current.IsZero() {
			r.shares = append(r.shares, rpv.Share{Index: kp.Index})
		}
		r.keys = append(r.keys, kp.Key)
		if len(r.keys) == r.need {
			return r, nil
		}
	}
}
