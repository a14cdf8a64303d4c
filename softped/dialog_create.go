package softped

import (
	"errors"
	"time"

	"openped/protocol"
)

// createKeyset makes a new keyset or takes over an existing one, as the
// custodians choose.
func (o *op) createKeyset(m *protocol.CreateKeyset) error {
	o.head.op = opSetting(m.Role)
	if m.MayReuse {
		reuse, err := o.dialog.ask(o.ctx, o.reusePage())
		if err != nil {
			return err
		}
		if reuse {
			if err := o.pipe.send(&protocol.KeysetChoice{Ceremony: o.id, Reuse: true}); err != nil {
				return err
			}
			if o.kind == protocol.KeyRPK {
				return o.reuseRPV()
			}
			return o.reuseKeyset()
		}
	}
	mm, err := o.number(o.ctx, 1, protocol.MaxShares, o.mPage)
	if err != nil {
		return err
	}
	n, err := o.number(o.ctx, mm, protocol.MaxShares, o.nPage)
	if err != nil {
		return err
	}
	if err := o.pipe.send(&protocol.KeysetChoice{Ceremony: o.id, M: uint8(mm), N: uint8(n)}); err != nil {
		return err
	}
	w := &writing{m: uint8(mm), n: uint8(n)}
	last, err := o.writeCopy(w, 0)
	defer func() { last.destroy() }()
	if err != nil {
		return err
	}
	if err := o.committed(w, last); err != nil {
		return err
	}
	return o.duplicates(w, 0, o.duplicatePage())
}

// committed waits for the HSM's commit. Without a set it is put off: a later
// keyset of this session decides, and until then nothing is promoted.
func (o *op) committed(w *writing, last *held) error {
	m, err := next[*protocol.Committed](o)
	if err != nil {
		return err
	}
	if m.Set.IsZero() {
		return nil
	}
	if m.Set != w.set {
		return faulty(errors.New("HSM committed another set than was written"))
	}
	o.live = w.set
	if o.kind == protocol.KeyRPK {
		o.rotated()
	}
	o.promote(last, w.set)
	return nil
}

// promote makes the key that is still in the port current at once. The others
// of the set follow when they are presented; so does this one if it is gone.
func (o *op) promote(h *held, set protocol.SetID) {
	if h == nil || !o.port.still(h) || h.key.Pending == nil || h.key.Pending.ID != set {
		return
	}
	if err := h.key.Promote(set); err == nil {
		if err := o.port.save(h); err != nil {
			o.log.Warn("PED key not promoted yet", "error", err)
		}
	}
}

// duplicates writes further copies of the set as long as the custodians want.
// The set itself is safe by now.
func (o *op) duplicates(w *writing, copies uint8, ask page) error {
	for {
		yes, err := o.dialog.ask(o.ctx, ask)
		if err != nil {
			return err
		}
		if err := o.pipe.send(&protocol.DuplicateChoice{Ceremony: o.id, Yes: yes}); err != nil {
			return err
		}
		if !yes {
			return o.end()
		}
		copies++
		o.head.op = opSetting(o.role)
		last, err := o.writeCopy(w, copies)
		if err == nil {
			err = o.committed(w, last)
		}
		last.destroy()
		if err != nil {
			return err
		}
		ask = o.anotherDuplicatePage()
	}
}

// reuseKeyset reads an existing quorum twice and adopts its secret.
func (o *op) reuseKeyset() error {
	r := reading{op: protocol.OpReuse, insert: "reuse.insert", another: "reuse.insert-another", pin: "reuse.pin", setting: opSetting(o.role)}
	o.head.op = opReading(o.role)
	first := &quorum{}
	defer first.destroy()
	r.first = first
	w := &writing{}
	for done, of := 0, 0; ; {
		set, res, err := o.readShare(r, done, of)
		if err != nil {
			return err
		}
		w.set = set
		switch {
		case res.Status == protocol.ShareMore:
			done, of = int(res.Have), int(res.Need)
		case res.Status == protocol.ShareAgain && !r.again:
			r.again, r.setting = true, ""
			done, of = 0, 0
		case res.Status == protocol.ShareDone && r.again:
			if err := o.committed(w, nil); err != nil {
				return err
			}
			return o.duplicates(w, 0, o.reuseDuplicatePage())
		case res.Status == protocol.ShareFailed:
			err := o.end()
			if s := asStop(err); err != nil && s.fromHSM {
				s.show = []string{"Not read the same", "twice. Not reused."}
			}
			return err
		default:
			return faulty(errors.New("share result does not belong here"))
		}
	}
}

// confirm asks the question that the HSM chose from those there are.
func (o *op) confirm(m *protocol.Confirm) error {
	o.head.op = "HSM INIT..."
	yes, err := o.dialog.ask(o.ctx, o.erasePage())
	if err != nil {
		return err
	}
	if err := o.pipe.send(&protocol.Confirmed{Ceremony: o.id, Yes: yes}); err != nil {
		return err
	}
	err = o.end()
	if s := asStop(err); err != nil && s.fromHSM && !yes {
		s.show = []string{"Nothing was erased."}
	}
	return err
}

// run does the operation that m starts.
func (o *op) run(m protocol.Message) error {
	seconds := func(s uint16) time.Duration { return time.Duration(s) * time.Second }
	switch m := m.(type) {
	case *protocol.Authenticate:
		o.role, o.kind, o.per = m.Role, m.KeyType, seconds(m.TimeoutSec)
		return o.authenticate(m)
	case *protocol.CreateKeyset:
		o.role, o.kind, o.live, o.per = m.Role, m.KeyType, m.LiveSet, seconds(m.TimeoutSec)
		return o.createKeyset(m)
	case *protocol.Confirm:
		o.per = seconds(m.TimeoutSec)
		return o.confirm(m)
	}
	return faulty(errors.New("no operation"))
}
