package softped

import (
	"errors"

	"openped/protocol"
	"openped/rpv"
)

// reading says how shares are read: to log in, or to reuse a keyset.
type reading struct {
	op                   protocol.Op
	insert, another, pin string // screen ids
	setting              string // line 2 until the first PIN is asked
	again                bool   // second pass of a reuse
	grant                bool   // the key is to list the HSM from now on
	lastTry              bool
}

// ask is the prompt for the next key.
func (o *op) ask(r reading, done, of int) page {
	h := o.head
	if done == 0 && r.setting != "" {
		h.op = r.setting
	}
	p := h.insertPage(r.insert, "read", o.kind, 0, of)
	switch {
	case done > 0:
		p = h.insertPage(r.another, "read", o.kind, done, of)
	case r.again:
		p = o.againPage(o.kind)
	}
	if r.lastTry {
		p = p.lastTry()
	}
	return p
}

// authenticate reads keys for a login until the HSM has its quorum.
func (o *op) authenticate(m *protocol.Authenticate) error {
	o.head.op = opLogin(m.Role)
	r := reading{op: protocol.OpAuthenticate, insert: "login.insert", another: "login.insert-another", pin: "login.pin", lastTry: m.LastTry}
	var used []protocol.SetID
	for done, of := 0, 0; ; {
		set, res, err := o.readShare(r, done, of)
		if err != nil {
			return err
		}
		used = append(used, set)
		switch res.Status {
		case protocol.ShareMore:
			done, of = int(res.Have), int(res.Need)
		case protocol.ShareDone:
			for _, id := range used {
				o.sess.live[id] = true
			}
			return o.end()
		case protocol.ShareFailed:
			err := o.end()
			if err == nil {
				err = faulty(errors.New("operation ended well after a failed login"))
			}
			if s := asStop(err); s.fromHSM {
				s.show = []string{"Wrong key or PIN."}
			}
			return err
		default:
			return faulty(errors.New("share result does not belong to a login"))
		}
	}
}

// readShare has one key presented, sends its share, and returns the HSM's
// answer. Keys that the HSM refuses are answered on the LCD.
func (o *op) readShare(r reading, done, of int) (protocol.SetID, *protocol.ShareResult, error) {
	var none protocol.SetID
	ask := o.ask(r, done, of)
	for {
		h, err := o.present(ask, o.acceptKind)
		if err != nil {
			return none, nil, err
		}
		set, notice, err := o.readOne(r, &h)
		h.destroy()
		if err != nil {
			return none, nil, err
		}
		if notice != nil {
			ask = *notice
			continue
		}
		res, err := next[*protocol.ShareResult](o)
		if err != nil {
			return none, nil, err
		}
		if res.Status != protocol.ShareSame {
			return set, res, nil
		}
		ask = o.sameKeyPage(o.kind)
	}
}

// readOne takes one key through its questions and sends its share. It returns
// the set read, or the notice to show when the key is not wanted. *h is replaced
// when the key is inserted anew on the way.
func (o *op) readOne(r reading, h **held) (set protocol.SetID, notice *page, err error) {
	listed, err := o.welcome(*h)
	if err != nil {
		return set, nil, err
	}
	cur, pend := (*h).key.Sets(o.kind)
	u, err := o.presentToHSM((*h).key.Serial, cur, pend, nil)
	if err != nil {
		return set, nil, err
	}
	if u.Use == protocol.UseRefuse {
		p := o.wrongKeyPage(isOther, o.kind)
		if u.Reason == protocol.ReasonSameKey {
			p = o.sameKeyPage(o.kind)
		}
		return set, &p, nil
	}
	id, err := chosen(u, cur, pend)
	if err != nil {
		return set, nil, err
	}
	*h, err = o.store(*h, func(k *rpv.Key) (bool, error) { return o.settle(k, u, id, !listed && r.grant) })
	if err != nil {
		return set, nil, err
	}
	s := setByID((*h).key, id)
	if s == nil {
		return set, nil, &stop{reason: protocol.CancelKeyFault, cause: errReadBack}
	}
	share, again, err := o.unmask(*h, s, r.pin, r.lastTry)
	*h = again
	if err != nil {
		return set, nil, err
	}
	s = setByID(again.key, id)
	wrapped, err := o.pipe.wrap(o.label(r.op, id, s.Index), share.Bytes())
	share.Destroy()
	if err != nil {
		return set, nil, err
	}
	return id, nil, o.pipe.send(&protocol.Share{Ceremony: o.id, Key: again.key.Serial, Set: id, Index: s.Index, M: s.M, N: s.N, Wrapped: wrapped})
}

// welcome applies the list of issuing keys: if the key does not list this HSM,
// its custodian must agree, each time, before anything of it is released. Start
// counters are judged here and stored with the next change of the key.
func (o *op) welcome(h *held) (listed bool, err error) {
	cur, pend := h.key.Sets(o.kind)
	if cur.Lists(o.peer.IssuingFP) || pend.Lists(o.peer.IssuingFP) {
		return true, o.checkCounter(h.key)
	}
	yes, err := o.dialog.ask(o.ctx, o.foreignPage(o.peer.Serial))
	if err == nil && !yes {
		err = stopRefused
	}
	return false, err
}

// presentToHSM names the key's sets and waits for the HSM's choice.
func (o *op) presentToHSM(serial protocol.KeySerial, cur, pend *rpv.Set, rpkPub []byte) (*protocol.UseSet, error) {
	m := &protocol.KeyPresented{Ceremony: o.id, Key: serial, RPKPub: rpkPub}
	for _, s := range []*rpv.Set{pend, cur} { // the current set's shape wins
		if s != nil {
			m.Index, m.M, m.N = s.Index, s.M, s.N
		}
	}
	if cur != nil {
		m.Current = cur.ID
	}
	if pend != nil {
		m.Pending = pend.ID
	}
	if err := o.pipe.send(m); err != nil {
		return nil, err
	}
	return next[*protocol.UseSet](o)
}

// chosen returns the set that the HSM wants read.
func chosen(u *protocol.UseSet, cur, pend *rpv.Set) (id protocol.SetID, err error) {
	switch {
	case u.Use == protocol.UseCurrent && cur != nil:
		return cur.ID, nil
	case u.Use == protocol.UsePending && pend != nil:
		return pend.ID, nil
	}
	return id, faulty(errors.New("HSM wants a set that the key does not have"))
}

// settle makes of a key what the HSM's choice and the lists ask for. The HSM
// decides only over sets that list it: another HSM's pending set is neither
// promoted nor erased by it.
func (o *op) settle(k *rpv.Key, u *protocol.UseSet, id protocol.SetID, grant bool) (changed bool, err error) {
	fp := o.peer.IssuingFP
	_, pend := k.Sets(o.kind)
	if pend.Lists(fp) && u.Reason == protocol.ReasonNone {
		other := pend.ID
		switch {
		case u.Use == protocol.UsePending && other == id:
			if err := k.Promote(id); err != nil {
				return false, &stop{reason: protocol.CancelKeyFault, cause: err}
			}
			changed = true
			o.learn(id, FateLive)
		case u.Use == protocol.UseCurrent && other != id:
			k.ErasePending()
			changed = true
			o.learn(other, FateDead)
			o.learn(id, FateLive)
		}
	}
	if grant {
		// A set that nobody ever promoted becomes the current one here: there is
		// nothing it could replace.
		if k.Current == nil && k.Pending != nil && k.Pending.ID == id {
			if err := k.Promote(id); err != nil {
				return false, &stop{reason: protocol.CancelKeyFault, cause: err}
			}
		}
		if k.Current == nil || k.Current.ID != id {
			return false, &stop{reason: protocol.CancelKeyFault, show: []string{"This key holds two", "secrets."}}
		}
		if err := k.AddIssuer(fp); err != nil {
			return false, &stop{reason: protocol.CancelKeyFault, cause: err, show: []string{"This key serves 16", "HSMs already."}}
		}
		changed = true
	}
	counted, err := o.counter(k)
	return changed || counted, err
}

// learn remembers a set's fate. It only helps later overwriting to be clever,
// so a state that cannot be written is no reason to stop.
func (o *op) learn(id protocol.SetID, f Fate) {
	if f == FateLive {
		o.sess.live[id] = true
	}
	if err := o.mem.setFate(id, f); err != nil {
		o.log.Warn("PED state not written", "error", err)
	}
}
