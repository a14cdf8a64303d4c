package softped

import (
	"crypto/ecdh"
	"time"

	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
)

// passwordDigits is the length of a one-time password.
const passwordDigits = 8

// orange is what a quorum of orange keys gave: the RPV, and the static key of
// the first key with its certificates. It is cached while the mode lasts.
type orange struct {
	set     protocol.SetID
	rpv     *secret.Buffer
	private *secret.Buffer
	certs   []rpv.RPKCert
	serials []protocol.KeySerial
}

func (o *orange) destroy() {
	if o != nil {
		o.rpv.Destroy()
		o.private.Destroy()
	}
}

// cert returns the certificate for an HSM, nil if the key does not serve it.
func (o *orange) cert(fp rpv.Fingerprint) []byte {
	if o == nil {
		return nil
	}
	for _, c := range o.certs {
		if c.Issuer == fp {
			return c.DER
		}
	}
	return nil
}

func (o *orange) clone() *orange {
	c := *o
	c.rpv, c.private = secret.Copy(o.rpv.Bytes()), secret.Copy(o.private.Bytes())
	return &c
}

// startAuth does what stands between Begin and PedAuth.
func (p *PED) startAuth(l *link) {
	j, err := p.begin(l, protocol.CeremonyID{})
	if err != nil {
		l.fail(channel.ErrMode)
		return
	}
	o := p.newOp(l, j)
	l.c.run(l, j, func() { p.authSession(l, j, o) })
}

func (p *PED) authSession(l *link, j *job, o *op) {
	in := channel.AuthInput{Serial: p.cfg.Serial, Firmware: p.cfg.Firmware}
	var key *orange
	var err error
	switch l.mode {
	case channel.ModeRPV:
		if key, err = p.orange(l, o); err == nil {
			in.RPKCert, in.RPV = key.cert(l.peer.IssuingFP), key.rpv.Bytes()
			in.RPK, err = ecdh.P521().NewPrivateKey(key.private.Bytes())
		}
	case channel.ModeOTP:
		var pw *entry
		if pw, err = o.password(l); err == nil {
			defer pw.destroy()
			in.Password = pw.digits()
		}
	}
	if err == nil {
		o.show(o.computePage())
		j.ending.Store(true)
		err = l.auth(in, key)
	}
	if err == nil {
		p.finish(l, j)
		if l.isOver() { // in this moment; nobody has shown it
			p.say(l.head.failedPage("No session."))
		}
		return
	}
	key.destroy()
	s := asStop(err)
	p.log.Warn("no session", "reason", s)
	p.note("NO SESSION")
	p.finish(l, j)
	var last []byte
	if !s.fromHSM {
		last = l.giveUp(s, err)
	}
	l.close(s, last)
	p.say(o.failedAuth(s))
	if s.reset {
		p.dropCache()
		p.tell(protocol.EvtState)
	}
}

// failedAuth is the notice of a handshake that came to nothing.
func (o *op) failedAuth(s *stop) page {
	if s.show != nil {
		return o.failedPage(append([]string{"No session."}, s.show...)...)
	}
	return o.notice(s)
}

// giveUp is the last message of a handshake that the PED's side ended: the reason
// if a person ended it, the alert for everything else.
func (l *link) giveUp(s *stop, err error) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.v == nil {
		return nil
	}
	if s.reason == protocol.CancelOperator || s.reason == protocol.CancelTimeout {
		if rec, err := l.v.Cancel(uint8(s.reason)); err == nil {
			return rec
		}
	}
	return channel.AlertRecord()
}

// auth sends PedAuth. Only if that succeeds, key is the link's, until Confirm.
func (l *link) auth(in channel.AuthInput, key *orange) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.writeLocked(func() ([]byte, error) { return l.v.Auth(in) })
	if err != nil {
		return err
	}
	l.sent, l.orange = true, key
	l.late = time.AfterFunc(confirmWait, func() {
		l.end(&stop{reason: protocol.CancelTimeout, show: []string{"No answer from HSM."}}, channel.AlertRecord())
	})
	return nil
}

// password asks for the one-time password.
func (o *op) password(l *link) (*entry, error) {
	draw := o.passwordPage
	if !l.peer.Known {
		name := l.label
		if name == "" { // a new HSM
			name = l.peer.Serial
		}
		draw = func(n int) page { return o.unverifiedPage(name, n) }
	}
	o.show(draw(0))
	return o.readAtLeast(o.ctx, passwordDigits, passwordDigits, draw)
}

// orange returns the cached orange key if it serves this HSM, or asks for one.
// The caller owns it.
func (p *PED) orange(l *link, o *op) (*orange, error) {
	p.mu.Lock()
	if p.cache.cert(o.peer.IssuingFP) != nil && (l.live.IsZero() || p.cache.set == l.live) {
		defer p.mu.Unlock()
		return p.cache.clone(), nil
	}
	mode := p.mode
	p.mu.Unlock()
	p.ui.show(readyPage(mode))
	o.role, o.kind = protocol.RoleRPV, protocol.KeyRPK
	return o.readRPV(l.live)
}

// keep caches an orange key that an HSM has confirmed, unless the mode that it
// was read in has been left meanwhile. The PED owns it from here on.
func (p *PED) keep(l *link, o *orange) {
	p.mu.Lock()
	if l.choice != p.choice {
		p.mu.Unlock()
		o.destroy()
		return
	}
	p.cache.destroy()
	p.cache = o
	p.mu.Unlock()
}

// rejected drops what an HSM did not confirm from the cache.
func (p *PED) rejected(o *orange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cache != nil && p.cache.set == o.set {
		p.cache.destroy()
		p.cache = nil
	}
}

// ofTwo decides between the two sets of an orange key, which a crash in the
// middle of a ceremony can leave: the one that the HSM has named live. If it has
// named none, the current one. Nil means neither.
func ofTwo(live protocol.SetID, cur, pend *rpv.Set) *rpv.Set {
	if !live.IsZero() {
		for _, s := range []*rpv.Set{cur, pend} {
			if s != nil && s.ID == live {
				return s
			}
		}
		return nil
	}
	if cur == nil {
		return pend
	}
	return cur
}

// readRPV reads a quorum of orange keys and joins the RPV.
func (o *op) readRPV(live protocol.SetID) (_ *orange, err error) {
	q := &quorum{}
	defer q.destroy()
	out := &orange{}
	defer func() {
		if err != nil {
			out.destroy()
		}
	}()
	for !q.complete() {
		ask := o.insertPage("key.insert", "read", o.kind, 0, 0)
		if n := len(q.shares); n > 0 {
			ask = o.insertPage("key.insert-another", "read", o.kind, n, int(q.m))
		}
		for {
			h, err := o.present(ask, o.acceptKind)
			if err != nil {
				return nil, err
			}
			notice, err := o.readRPVKey(q, out, live, &h)
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
	out.set, out.serials = q.set, q.serials
	if out.rpv, err = rpv.Join(q.shares); err != nil {
		return nil, &stop{reason: protocol.CancelKeyFault, cause: err}
	}
	return out, nil
}

// readRPVKey adds one key to q. The list of issuing keys comes before the PIN:
// whoever steals an orange key and poses as another HSM never gets one asked.
func (o *op) readRPVKey(q *quorum, out *orange, live protocol.SetID, h **held) (*page, error) {
	cur, pend := (*h).key.Sets(o.kind)
	s := ofTwo(live, cur, pend)
	if s == nil {
		// An HSM that the key does not list learns nothing of it, not even this.
		if !cur.Lists(o.peer.IssuingFP) && !pend.Lists(o.peer.IssuingFP) {
			return nil, unlisted()
		}
		p := o.wrongKeyPage(isOther, o.kind)
		return &p, nil
	}
	if notice := o.fit(q, (*h).key.Serial, s); notice != nil {
		return notice, nil
	}
	if !s.Lists(o.peer.IssuingFP) || s.RPK.Cert(o.peer.IssuingFP) == nil {
		return nil, unlisted()
	}
	id := s.ID
	var err error
	*h, err = o.store(*h, func(k *rpv.Key) (bool, error) {
		changed := false
		if id == live && k.Pending != nil && k.Pending.ID == id {
			changed = k.Promote(id) == nil
		}
		counted, err := o.counter(k)
		return changed || counted, err
	})
	if err != nil {
		return nil, err
	}
	share, again, err := o.unmask(*h, setByID((*h).key, id), "key.pin", false)
	*h = again
	if err != nil {
		return nil, err
	}
	s = setByID(again.key, id)
	if len(q.shares) == 0 {
		out.private = secret.Copy(s.RPK.Private.Bytes())
		for _, c := range s.RPK.Certs {
			out.certs = append(out.certs, rpv.RPKCert{Issuer: c.Issuer, DER: append([]byte(nil), c.DER...)})
		}
	}
	q.add(again.key.Serial, s, share)
	return nil, nil
}
