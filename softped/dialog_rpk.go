package softped

import (
	"errors"

	"openped/certs"
	"openped/internal/secret"
	"openped/protocol"
	"openped/rpv"
)

// quorum is what was read so far of one keyset that the PED joins itself: the
// RPV on orange keys.
type quorum struct {
	set     protocol.SetID
	m, n    uint8
	shares  []rpv.Share
	serials []protocol.KeySerial
}

func (q *quorum) destroy() {
	if q != nil {
		rpv.DestroyShares(q.shares)
	}
}

func (q *quorum) complete() bool { return len(q.shares) > 0 && len(q.shares) == int(q.m) }

// has reports whether a physical key, or a copy of one, was read already.
func (q *quorum) has(serial protocol.KeySerial, index uint8) bool {
	for i, s := range q.serials {
		if s == serial || q.shares[i].Index == index {
			return true
		}
	}
	return false
}

func (q *quorum) add(serial protocol.KeySerial, s *rpv.Set, share *secret.Buffer) {
	q.set, q.m, q.n = s.ID, s.M, s.N
	q.shares = append(q.shares, rpv.Share{Index: s.Index, Value: share})
	q.serials = append(q.serials, serial)
}

// agrees reports whether a share read later is what this quorum says it is, also
// of a key that it was not read from: any M shares say what all of them are.
func (q *quorum) agrees(index uint8, share *secret.Buffer) bool {
	all, err := rpv.Extend(q.shares, rpv.MaxShares)
	defer rpv.DestroyShares(all)
	return err == nil && int(index) <= len(all) && all[index-1].Value.Equal(share)
}

// fit returns the notice for a key that does not add to the quorum, or nil.
func (o *op) fit(q *quorum, serial protocol.KeySerial, s *rpv.Set) *page {
	var p page
	switch {
	case !q.set.IsZero() && s.ID != q.set:
		p = o.wrongKeyPage(isOther, o.kind)
	case q.has(serial, s.Index):
		p = o.sameKeyPage(o.kind)
	default:
		return nil
	}
	return &p
}

// reuseRPV reads a quorum of orange keys twice, joins it in the PED, and hands
// the RPV to this HSM. In the second pass each key gets the HSM's certificate, if
// its share is the same again. The HSM sees no share, so it can test none.
func (o *op) reuseRPV() error {
	first, err := o.readOrange(nil)
	if err != nil {
		return err
	}
	defer first.destroy()
	second, err := o.readOrange(first)
	if err != nil {
		return err
	}
	defer second.destroy()
	a, err := rpv.Join(first.shares)
	if err != nil {
		return &stop{reason: protocol.CancelKeyFault, cause: err}
	}
	defer a.Destroy()
	b, err := rpv.Join(second.shares)
	if err != nil {
		return &stop{reason: protocol.CancelKeyFault, cause: err}
	}
	defer b.Destroy()
	if first.set != second.set || !a.Equal(b) {
		return &stop{reason: protocol.CancelKeyFault, show: []string{"Not read the same", "twice. Not reused."}}
	}
	wrapped, err := o.pipe.wrap(o.label(protocol.OpReuseRPV, first.set, 0), a.Bytes())
	if err != nil {
		return err
	}
	if err := o.pipe.send(&protocol.ReusedRPV{Ceremony: o.id, Set: first.set, M: first.m, N: first.n, Wrapped: wrapped}); err != nil {
		return err
	}
	if err := o.committed(&writing{set: first.set}, nil); err != nil {
		return err
	}
	return o.end()
}

// readOrange reads one pass of a reuse: the second one if there was a first.
func (o *op) readOrange(first *quorum) (_ *quorum, err error) {
	q := &quorum{}
	if first != nil {
		q.set = first.set
	}
	defer func() {
		if err != nil {
			q.destroy()
		}
	}()
	r := reading{insert: "reuse.insert", another: "reuse.insert-another", pin: "reuse.pin", again: first != nil, first: first}
	if first == nil {
		r.setting = opSetting(o.role)
	}
	o.head.op = opReading(o.role)
	for !q.complete() {
		ask := o.ask(r, len(q.shares), int(q.m))
		for {
			h, err := o.present(ask, o.acceptKind)
			if err != nil {
				return nil, err
			}
			notice, err := o.readOneOrange(q, r, &h)
			h.destroy()
			if err != nil {
				return nil, err
			}
			if notice == nil {
				break
			}
			ask = *notice
		}
	}
	return q, nil
}

// readOneOrange adds one key to q, or returns the notice to show instead.
func (o *op) readOneOrange(q *quorum, r reading, h **held) (*page, error) {
	cur, pend := (*h).key.Sets(o.kind)
	shown := cur // what the HSM will want
	if cur == nil || pend != nil && pend.ID == q.set {
		shown = pend
	}
	if notice := o.fit(q, (*h).key.Serial, shown); notice != nil {
		return notice, nil // not worth asking the HSM
	}
	if err := o.checkCounter((*h).key); err != nil {
		return nil, err
	}
	pub, err := rpkPublic(shown)
	if err != nil {
		return nil, err
	}
	u, err := o.presentToHSM((*h).key.Serial, cur, pend, pub)
	if err != nil {
		return nil, err
	}
	if u.Use == protocol.UseRefuse {
		p := o.wrongKeyPage(isOther, o.kind)
		if u.Reason == protocol.ReasonSameKey {
			p = o.sameKeyPage(o.kind)
		}
		return &p, nil
	}
	id, err := chosen(u, cur, pend)
	if err != nil {
		return nil, err
	}
	var cert []byte
	if r.again {
		g, err := next[*protocol.Grant](o)
		if err != nil {
			return nil, err
		}
		cert = g.RPKCert
	}
	s := setByID((*h).key, id)
	if s != shown {
		return nil, faulty(errors.New("HSM wants another set of an orange key than was shown"))
	}
	if r.again {
		if err := o.checkRPK(s.RPK.Private, cert); err != nil {
			return nil, err
		}
	}
	if *h, err = o.store(*h, func(k *rpv.Key) (bool, error) { return o.settle(k, u, id) }); err != nil {
		return nil, err
	}
	if r.again {
		if err := o.canList((*h).key, id, cert); err != nil { // before the PIN is asked in vain
			return nil, err
		}
	}
	share, again, err := o.unmask(*h, setByID((*h).key, id), r.pin, false)
	*h = again
	if err != nil {
		return nil, err
	}
	s = setByID(again.key, id)
	q.add(again.key.Serial, s, share)
	if r.again && r.first.agrees(s.Index, share) {
		*h, err = o.store(*h, func(k *rpv.Key) (bool, error) { return o.list(k, id, cert) })
	}
	return nil, err
}

func rpkPublic(s *rpv.Set) ([]byte, error) {
	if s.RPK == nil {
		return nil, &stop{reason: protocol.CancelKeyFault, cause: rpv.ErrNotOrange}
	}
	key, err := s.RPK.Key()
	if err != nil {
		return nil, &stop{reason: protocol.CancelKeyFault, cause: err}
	}
	return certs.SPKI(key.PublicKey()), nil
}

// errUnlisted: an orange key does not serve the HSM.
var errUnlisted = errors.New("orange key does not serve this HSM")

// unlisted ends a handshake with the alert; the key's holder is not asked
// anything.
func unlisted() *stop {
	return &stop{reason: protocol.CancelRefused, cause: errUnlisted, show: []string{"Key does not serve", "this HSM."}}
}
