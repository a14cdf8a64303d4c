package hsmtest

import (
	"errors"

	"openped/certs"
	"openped/internal/secret"
	"openped/protocol"
	"openped/rpv"
)

// operation runs the next operation that the HSM starts.
func (s *session) operation() error {
	s.id = protocol.CeremonyID{}
	m, err := s.next()
	if err != nil {
		return err
	}
	s.id, s.last = protocol.CeremonyOf(m), ""
	switch m := m.(type) {
	case *protocol.Authenticate:
		return s.login(m)
	case *protocol.CreateKeyset:
		return s.create(m)
	case *protocol.Confirm:
		yes, err := person(s, pop(&s.p.confirms))
		if err != nil {
			return err
		}
		if err := s.send(&protocol.Confirmed{Ceremony: s.id, Yes: yes}); err != nil {
			return err
		}
		return s.end()
	}
	return errRules
}

func (s *session) end() error {
	_, err := expect[*protocol.End](s)
	s.id = protocol.CeremonyID{}
	return err
}

// present takes the next key, tells the HSM what is on it, and does what it says.
// It returns the set to read; nil when the key was refused.
func (s *session) present(kind protocol.KeyType) (Insert, *rpv.Key, *rpv.Set, error) {
	ins, err := person(s, pop(&s.p.inserts))
	if err != nil {
		return ins, nil, nil, err
	}
	k := s.p.Keys.Take(ins.Key)
	cur, pend := k.Sets(kind)
	if cur == nil && pend == nil { // blank or another colour: the HSM never hears of it
		return ins, nil, nil, nil
	}
	m := &protocol.KeyPresented{Ceremony: s.id, Key: k.Serial}
	shown := cur
	if cur == nil {
		shown = pend
	} else {
		m.Current = cur.ID
	}
	if pend != nil {
		m.Pending = pend.ID
	}
	m.Index, m.M, m.N = shown.Index, shown.M, shown.N
	if shown.RPK != nil {
		key, err := shown.RPK.Key()
		if err != nil {
			return ins, nil, nil, err
		}
		m.RPKPub = certs.SPKI(key.PublicKey())
	}
	if err := s.send(m); err != nil {
		return ins, nil, nil, err
	}
	u, err := expect[*protocol.UseSet](s)
	if err != nil {
		return ins, nil, nil, err
	}
	switch {
	case u.Use == protocol.UseRefuse:
		return ins, nil, nil, nil
	case u.Use == protocol.UsePending && pend != nil:
		if u.Reason == protocol.ReasonNone {
			if err := k.Promote(pend.ID); err != nil {
				return ins, nil, nil, err
			}
			if err := s.save(ins.Key, k); err != nil {
				return ins, nil, nil, err
			}
		}
		return ins, k, pend, nil
	case u.Use == protocol.UseCurrent && cur != nil:
		if pend != nil && u.Reason == protocol.ReasonNone {
			k.ErasePending()
			if err := s.save(ins.Key, k); err != nil {
				return ins, nil, nil, err
			}
		}
		return ins, k, cur, nil
	}
	return ins, nil, nil, errRules
}

// share sends one share and returns the HSM's answer.
func (s *session) share(op protocol.Op, role protocol.Role, k *rpv.Key, set *rpv.Set, pin string) (protocol.ShareStatus, error) {
	v, err := set.Unmask([]byte(pin))
	if err != nil {
		return 0, err
	}
	defer v.Destroy()
	wrapped, err := s.s.WrapSecret(s.label(op, role, set.ID, set.Index), v.Bytes())
	if err != nil {
		return 0, err
	}
	err = s.send(&protocol.Share{Ceremony: s.id, Key: k.Serial, Set: set.ID, Index: set.Index, M: set.M, N: set.N, Wrapped: wrapped})
	if err != nil {
		return 0, err
	}
	r, err := expect[*protocol.ShareResult](s)
	if err != nil {
		return 0, err
	}
	return r.Status, nil
}

func (s *session) login(m *protocol.Authenticate) error {
	for {
		ins, k, set, err := s.present(m.KeyType)
		if err != nil {
			return err
		}
		if set == nil {
			continue
		}
		status, err := s.share(protocol.OpAuthenticate, m.Role, k, set, ins.PIN)
		if err != nil {
			return err
		}
		if status == protocol.ShareDone || status == protocol.ShareFailed {
			return s.end()
		}
	}
}

func (s *session) create(m *protocol.CreateKeyset) error {
	c, err := person(s, pop(&s.p.choices))
	if err != nil {
		return err
	}
	if err := s.send(&protocol.KeysetChoice{Ceremony: s.id, Reuse: c.Reuse, M: c.M, N: c.N}); err != nil {
		return err
	}
	switch {
	case c.Reuse && m.KeyType == protocol.KeyRPK:
		return s.reuseRPV()
	case c.Reuse:
		if err := s.reuse(m); err != nil {
			if errors.Is(err, errEnded) {
				return nil
			}
			return err
		}
	default:
		if err := s.write(m, c.N); err != nil {
			return err
		}
	}
	for {
		done, err := expect[*protocol.Committed](s)
		if err != nil {
			return err
		}
		if !done.Set.IsZero() {
			if m.KeyType == protocol.KeyRPK {
				s.p.change(func() { s.p.cached = nil })
			}
			// The key that is still in the port is promoted at once.
			if k := s.p.Keys.Take(s.last); s.last != "" && k.Pending != nil && k.Pending.ID == done.Set {
				if err := k.Promote(done.Set); err != nil {
					return err
				}
				if err := s.save(s.last, k); err != nil {
					return err
				}
			}
		}
		more := c.Duplicates > 0
		c.Duplicates--
		if err := s.send(&protocol.DuplicateChoice{Ceremony: s.id, Yes: more}); err != nil {
			return err
		}
		if !more {
			return s.end()
		}
		if err := s.write(m, c.N); err != nil {
			return err
		}
	}
}

// write writes one copy; n is 0 if only the first WriteShare tells.
func (s *session) write(m *protocol.CreateKeyset, n uint8) error {
	for done := uint8(0); n == 0 || done < n; done++ {
		w, err := expect[*protocol.WriteShare](s)
		if err != nil {
			return err
		}
		n = w.N
		ins, err := person(s, pop(&s.p.inserts))
		if err != nil {
			return err
		}
		p := rpv.SetParams{ID: w.Set, Type: m.KeyType, Index: w.Index, M: w.M, N: w.N, PIN: []byte(ins.PIN),
			Cost: rpv.LightCost(), Issuer: s.v.Peer().IssuingFP, RPKCert: w.RPKCert}
		op := protocol.OpCreate
		if m.KeyType == protocol.KeyRPK {
			op = protocol.OpProvision
			if p.RPKPrivate, err = s.unwrap(protocol.OpRPKKey, m.Role, w.Set, w.Index, w.RPKKey); err != nil {
				return err
			}
			defer p.RPKPrivate.Destroy()
		}
		if p.Share, err = s.unwrap(op, m.Role, w.Set, w.Index, w.Wrapped); err != nil {
			return err
		}
		set, err := rpv.NewSet(p)
		p.Share.Destroy()
		if err != nil {
			return err
		}
		k := s.p.Keys.Take(ins.Key)
		if err := k.WritePending(set); err != nil {
			return err
		}
		if err := s.save(ins.Key, k); err != nil {
			return err
		}
		s.last = ins.Key
		if err := s.send(&protocol.ShareWritten{Ceremony: s.id, Copy: w.Copy, Index: w.Index, Key: k.Serial}); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) reuse(m *protocol.CreateKeyset) error {
	for {
		ins, k, set, err := s.present(m.KeyType)
		if err != nil {
			return err
		}
		if set == nil {
			continue
		}
		status, err := s.share(protocol.OpReuse, m.Role, k, set, ins.PIN)
		if err != nil {
			return err
		}
		switch status {
		case protocol.ShareDone:
			return nil
		case protocol.ShareFailed:
			if err := s.end(); err != nil {
				return err
			}
			return errEnded
		}
	}
}

// reuseRPV joins the RPV twice; in the second pass keys get certificates.
func (s *session) reuseRPV() error {
	var joined [2]*secret.Buffer
	var set *rpv.Set
	for pass := range joined {
		var shares []rpv.Share
		for set == nil || len(shares) < int(set.M) {
			ins, k, got, err := s.present(protocol.KeyRPK)
			if err != nil {
				return err
			}
			if got == nil {
				continue
			}
			set = got
			if pass == 1 {
				g, err := expect[*protocol.Grant](s)
				if err != nil {
					return err
				}
				if k.Current == nil {
					if err := k.Promote(set.ID); err != nil {
						return err
					}
				}
				if err := k.AddRPKCert(s.v.Peer().IssuingFP, g.RPKCert); err != nil {
					return err
				}
				if err := s.save(ins.Key, k); err != nil {
					return err
				}
			}
			v, err := set.Unmask([]byte(ins.PIN))
			if err != nil {
				return err
			}
			shares = append(shares, rpv.Share{Index: set.Index, Value: v})
		}
		var err error
		if joined[pass], err = rpv.Join(shares); err != nil {
			return err
		}
	}
	if !joined[0].Equal(joined[1]) {
		return cancelled{reason: protocol.CancelKeyFault}
	}
	wrapped, err := s.s.WrapSecret(s.label(protocol.OpReuseRPV, protocol.RoleRPV, set.ID, 0), joined[0].Bytes())
	if err != nil {
		return err
	}
	if err := s.send(&protocol.ReusedRPV{Ceremony: s.id, Set: set.ID, M: set.M, N: set.N, Wrapped: wrapped}); err != nil {
		return err
	}
	if _, err := expect[*protocol.Committed](s); err != nil {
		return err
	}
	s.p.ForgetOrange(true)
	return s.end()
}
