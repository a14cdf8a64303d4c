package hsmtest

import (
	"errors"
	"openped/protocol/channel"
	"openped/rpv"
)

// handshake answers a Hello and goes on until the session is there.
func (s *session) handshake(hello []byte) error {
	p := s.p
	v, reply, err := channel.NewV(channel.VConfig{
		Modes: func(m channel.Mode) bool {
			if p.Local || m == channel.ModeLocal {
				return p.Local && m == channel.ModeLocal
			}
			return m == channel.ModeRPV || p.Pair && m == channel.ModeOTP
		},
		AllowUnknownRoot: p.Pair, Verifier: p.verifier(), CheckCounter: p.checkCounter, Limits: p.Limits,
	}, hello)
	if err != nil {
		return err
	}
	s.v = v
	if err := s.raw(reply); err != nil {
		return err
	}
	for _, want := range []channel.VEvent{channel.EvProven, channel.EvBegin} {
		f, err := s.frame()
		if err != nil {
			return err
		}
		if channel.IsHello(f) {
			return helloErr{f}
		}
		ev, err := v.Receive(f)
		if err != nil {
			return err
		}
		if ev != want {
			return errRules
		}
		if want == channel.EvProven {
			p.mu.Lock()
			p.proven++
			p.mu.Unlock()
		}
	}
	in, err := s.credentials()
	if c := (cancelled{}); errors.As(err, &c) && !c.quiet {
		if rec, err := v.Cancel(uint8(c.reason)); err == nil {
			_ = s.raw(rec)
		}
		return errEnded
	}
	if err != nil {
		return err
	}
	if p.Auth != nil {
		p.Auth(in)
	}
	rec, err := v.Auth(*in)
	if err != nil {
		return err
	}
	if err := s.raw(rec); err != nil {
		return err
	}
	f, err := s.frame()
	if err != nil {
		return err
	}
	if channel.IsHello(f) {
		return helloErr{f}
	}
	if _, err := v.Receive(f); err != nil {
		p.change(func() { p.cached = nil }) // what was refused is not offered again
		return err
	}
	s.s = v.Session()
	p.mu.Lock()
	p.sessions++
	p.mu.Unlock()
	return nil
}

// credentials gets what the mode asks for from the custodians or the cache.
func (s *session) credentials() (*channel.AuthInput, error) {
	p := s.p
	in := &channel.AuthInput{Serial: p.Serial, Firmware: p.Firmware}
	switch s.v.Hello().Mode {
	case channel.ModeLocal:
		return in, nil
	case channel.ModeOTP:
		pw, err := person(s, pop(&p.passwords))
		in.Password = []byte(pw)
		return in, err
	}
	issuer := s.v.Peer().IssuingFP
	p.mu.Lock()
	o := p.cached
	p.mu.Unlock()
	live := s.v.Hello().LiveSet
	if o == nil || o.issuer != issuer || o.set != live {
		var err error
		if o, err = s.readOrange(issuer); err != nil {
			return nil, err
		}
	}
	key, err := o.rpk.Key()
	if err != nil {
		return nil, err
	}
	in.RPK, in.RPKCert, in.RPV = key, o.rpk.Cert(issuer), o.rpv.Bytes()
	return in, nil
}

// readOrange joins the RPV from orange keys. The list is checked before the PIN
// would be asked.
func (s *session) readOrange(issuer [64]byte) (*orange, error) {
	p := s.p
	var shares []rpv.Share
	for {
		ins, err := person(s, pop(&p.inserts))
		if err != nil {
			return nil, err
		}
		k := p.Keys.Take(ins.Key)
		set := k.Current
		if k.Pending != nil && (set == nil || k.Pending.ID == s.v.Hello().LiveSet) {
			set = k.Pending
		}
		if set == nil || set.RPK == nil || !set.Lists(issuer) {
			return nil, errUnlike
		}
		v, err := set.Unmask([]byte(ins.PIN))
		if err != nil {
			return nil, err
		}
		shares = append(shares, rpv.Share{Index: set.Index, Value: v})
		if len(shares) < int(set.M) {
			continue
		}
		joined, err := rpv.Join(shares)
		if err != nil {
			return nil, err
		}
		o := &orange{issuer: issuer, set: set.ID, rpv: joined, rpk: set.RPK}
		p.mu.Lock()
		if p.cache {
			p.cached = o
		}
		p.mu.Unlock()
		return o, nil
	}
}
