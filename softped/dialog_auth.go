package softped

import (
	"errors"

	"openped/internal/secret"
	"openped/protocol"
	"openped/rpv"
)

// reading says how shares are read: to log in, or to reuse a keyset.
type reading struct {
	op                   protocol.Op
	insert, another, pin string // screen ids
	setting              string // line 2 until the first PIN is asked
	again                bool   // second pass of a reuse
	lastTry              bool
	first                *quorum // of a reuse: what the first pass read, which the second one is held against
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
	for done, of := 0, 0; ; {
		_, res, err := o.readShare(r, done, of)
		if err != nil {
			return err
		}
		switch res.Status {
		case protocol.ShareMore:
			done, of = int(res.Have), int(res.Need)
		case protocol.ShareDone:
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
	if o.kind == protocol.KeyRPK {
		return none, nil, faulty(errors.New("no share of an RPV leaves the PED"))
	}
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
	asked, err := o.welcome(*h)
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
	// Either set may have let the HSM in; it may have chosen the other one.
	listed := setByID((*h).key, id).Lists(o.peer.IssuingFP)
	if !listed && !asked {
		if err := o.askForeign(); err != nil {
			return set, nil, err
		}
	}
	if *h, err = o.store(*h, func(k *rpv.Key) (bool, error) { return o.settle(k, u, id) }); err != nil {
		return set, nil, err
	}
	if !listed && r.again {
		if err := o.canList((*h).key, id, nil); err != nil { // before the PIN is asked in vain
			return set, nil, err
		}
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
	defer share.Destroy()
	if !listed && r.again && r.first.agrees(s.Index, share) {
		if *h, err = o.store(*h, func(k *rpv.Key) (bool, error) { return o.list(k, id, nil) }); err != nil {
			return set, nil, err
		}
	}
	s = setByID((*h).key, id)
	if s == nil {
		return set, nil, &stop{reason: protocol.CancelKeyFault, cause: errReadBack}
	}
	wrapped, err := o.pipe.wrap(o.label(r.op, id, s.Index), share.Bytes())
	if err != nil {
		return set, nil, err
	}
	if r.first != nil && !r.again && !r.first.has((*h).key.Serial, s.Index) {
		r.first.add((*h).key.Serial, s, secret.Copy(share.Bytes()))
	}
	return id, nil, o.pipe.send(&protocol.Share{Ceremony: o.id, Key: (*h).key.Serial, Set: id, Index: s.Index, M: s.M, N: s.N, Wrapped: wrapped})
}

// welcome applies the list of issuing keys before the HSM hears of the key: if
// no set of it lists this HSM, its custodian is asked. Start counters are judged
// here and stored with the next change of the key.
func (o *op) welcome(h *held) (asked bool, err error) {
	cur, pend := h.key.Sets(o.kind)
	if cur.Lists(o.peer.IssuingFP) || pend.Lists(o.peer.IssuingFP) {
		return false, o.checkCounter(h.key)
	}
	return true, o.askForeign()
}

// askForeign has the custodian agree, each time, to a set's use for an HSM that
// the set does not list.
func (o *op) askForeign() error {
	yes, err := o.dialog.ask(o.ctx, o.foreignPage(o.peer.Serial))
	if err == nil && !yes {
		err = stopRefused
	}
	return err
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

// settle makes of a key what the HSM's choice asks for. The HSM decides only
// over sets that list it: another HSM's pending set is neither promoted nor
// erased by it.
func (o *op) settle(k *rpv.Key, u *protocol.UseSet, id protocol.SetID) (changed bool, err error) {
	_, pend := k.Sets(o.kind)
	if pend.Lists(o.peer.IssuingFP) && u.Reason == protocol.ReasonNone {
		switch {
		case u.Use == protocol.UsePending && pend.ID == id:
			if err := k.Promote(id); err != nil {
				return false, &stop{reason: protocol.CancelKeyFault, cause: err}
			}
			changed = true
		case u.Use == protocol.UseCurrent && pend.ID != id:
			k.ErasePending()
			changed = true
		}
	}
	counted, err := o.counter(k)
	return changed || counted, err
}

// list puts the HSM on the list of a set, on an orange key with the certificate
// that it gave. Nothing but the second reading of a reuse does that, and only
// after the PIN: until then nobody has shown that the key is his.
func (o *op) list(k *rpv.Key, id protocol.SetID, cert []byte) (bool, error) {
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
	err := k.AddIssuer(o.peer.IssuingFP)
	if err == nil && cert != nil {
		err = k.AddRPKCert(o.peer.IssuingFP, cert)
	}
	if errors.Is(err, rpv.ErrListFull) {
		return false, &stop{reason: protocol.CancelKeyFault, cause: err, show: []string{"This key serves 16", "HSMs already."}}
	}
	if err != nil {
		return false, &stop{reason: protocol.CancelKeyFault, cause: err}
	}
	_, err = o.counter(k)
	return true, err
}

// canList tries list on a copy.
func (o *op) canList(k *rpv.Key, id protocol.SetID, cert []byte) error {
	try := k.Clone()
	defer try.Destroy()
	_, err := o.list(try, id, cert)
	return err
}
