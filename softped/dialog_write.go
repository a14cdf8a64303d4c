package softped

import (
	"bytes"
	"crypto/ecdh"
	"errors"

	"openped/certs"
	"openped/internal/secret"
	"openped/protocol"
	"openped/rpv"
)

// writing is a keyset that is being written.
type writing struct {
	set  protocol.SetID // known from the first WriteShare, or from a reuse
	m, n uint8          // 0: as the first WriteShare says
}

// writeCopy writes all shares of one copy and returns the last key, which may
// still be in the port.
func (o *op) writeCopy(w *writing, copies uint8) (*held, error) {
	used := map[protocol.KeySerial]bool{}
	for done := 0; ; {
		m, err := next[*protocol.WriteShare](o)
		if err != nil {
			return nil, err
		}
		if err := w.check(m, copies, done); err != nil {
			return nil, err
		}
		h, err := o.writeShare(m, used, done)
		if err != nil {
			return nil, err
		}
		used[h.key.Serial] = true
		done++
		last := done == int(w.n)
		err = o.pipe.send(&protocol.ShareWritten{Ceremony: o.id, Copy: m.Copy, Index: m.Index, Key: h.key.Serial})
		if err != nil || !last {
			h.destroy()
			h = nil
		}
		if err != nil || last {
			return h, err
		}
	}
}

// check holds the HSM to what was agreed: one set, its shares in order, each
// once.
func (w *writing) check(m *protocol.WriteShare, copies uint8, done int) error {
	if w.n == 0 {
		w.m, w.n = m.M, m.N
	}
	if w.set.IsZero() {
		w.set = m.Set
	}
	if m.Set != w.set || m.M != w.m || m.N != w.n || m.Copy != copies || int(m.Index) != done+1 {
		return faulty(errors.New("WriteShare is not the one expected"))
	}
	return nil
}

// writeShare puts one share on a key that its custodian chooses. It returns the
// key as written and read back.
func (o *op) writeShare(m *protocol.WriteShare, used map[protocol.KeySerial]bool, done int) (*held, error) {
	p, err := o.open(m)
	if err != nil {
		return nil, err
	}
	defer p.destroy()
	prompt := o.insertPage("create.insert", "write", o.kind, 0, int(m.N))
	if done > 0 {
		prompt = o.insertPage("create.insert-another", "write", o.kind, done, int(m.N))
	}
	ask := prompt
	var retry protocol.KeySerial // a key that was pulled while it was written
	for {
		h, err := o.present(ask, func(h *held) *page {
			if h.key.Serial != retry && (used[h.key.Serial] || setByID(h.key, m.Set) != nil) {
				p := o.sameKeyPage(o.kind)
				return &p
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		err = o.writeKey(h, p, h.key.Serial == retry)
		if err == nil {
			return h, nil
		}
		serial := h.key.Serial
		h.destroy()
		switch {
		case errors.Is(err, errOtherKey):
			ask = prompt
		case errors.As(err, new(*stop)):
			return nil, err
		case errors.Is(err, errPulled):
			retry, ask = serial, o.pulledPage()
		default:
			o.log.Warn("PED key not written", "error", err)
			retry, ask = serial, o.keyFaultPage("PED Key can not be", "written. Try again", "or use another one.")
		}
	}
}

// errOtherKey: the custodian does not want this key overwritten.
var errOtherKey = errors.New("another key is wanted")

// writeKey asks what has to be asked before a key is overwritten, and does it.
func (o *op) writeKey(h *held, p *plain, agreed bool) error {
	if !agreed {
		if err := o.overwrite(h.key); err != nil {
			return err
		}
	}
	pin, err := o.newPIN()
	if err != nil {
		return err
	}
	defer pin.destroy()
	if !o.port.still(h) {
		return errPulled
	}
	o.show(o.writingPage())
	params := p.params
	params.PIN, params.Cost, params.Issuer = pin.digits(), o.cost, o.peer.IssuingFP
	set, err := rpv.NewSet(params)
	if err != nil {
		return &stop{reason: protocol.CancelKeyFault, cause: err}
	}
	o.makeRoom(h.key, set.ID)
	if err := h.key.WritePending(set); err != nil {
		set.Destroy()
		return &stop{reason: protocol.CancelKeyFault, cause: err}
	}
	if _, err := o.counter(h.key); err != nil {
		return err
	}
	return o.port.save(h)
}

// overwrite asks once for a blank key, twice for one that holds something.
func (o *op) overwrite(k *rpv.Key) error {
	pages := []page{o.blankPage()}
	if !k.Blank() {
		pages = []page{o.notBlankPage(k.Type), o.surePage()}
	}
	for _, p := range pages {
		yes, err := o.dialog.ask(o.ctx, p)
		if err != nil {
			return err
		}
		if !yes {
			return errOtherKey
		}
	}
	return nil
}

// makeRoom decides which of a key's two sets survives when a third is to be
// written as pending. What the HSM has named live stays until the new set is
// committed; the HSM is believed only about sets that list it. Beside it a set
// gives way that nobody can need: one of this HSM alone that is not live. If
// that does not tell, the pending set moves up, since most pending sets were
// committed; the key's holder has agreed twice to lose what is on it.
func (o *op) makeRoom(k *rpv.Key, id protocol.SetID) {
	if k.Pending == nil || k.Pending.ID == id {
		return
	}
	if k.Current != nil && (o.isLive(k.Current) || !o.isLive(k.Pending) && o.needless(k.Pending) && !o.needless(k.Current)) {
		return // WritePending replaces it
	}
	_ = k.Promote(k.Pending.ID) // it is the pending set: this cannot fail
}

// isLive reports whether this HSM has named a set of its own live.
func (o *op) isLive(s *rpv.Set) bool { return s.ID == o.live && s.Lists(o.peer.IssuingFP) }

// needless reports whether a set, not named live, serves this HSM only, and for
// keys of the type being written.
func (o *op) needless(s *rpv.Set) bool {
	return s.Type == o.kind && len(s.Issuers) == 1 && s.Lists(o.peer.IssuingFP)
}

// newPIN asks for a new PIN twice, until both are the same and good.
func (o *op) newPIN() (*entry, error) {
	for {
		o.show(o.newPINPage("create.pin", 0, 0))
		first, err := o.readAtLeast(o.ctx, 0, rpv.MaxPIN, func(n int) page { return o.newPINPage("create.pin", n, 0) })
		if err != nil {
			return nil, err
		}
		notice := o.badPINPage("A PIN has 4 to 48", "digits, the first", "not 0; or none.")
		if rpv.CheckPIN(first.digits()) == nil {
			second, err := o.readAtLeast(o.ctx, 0, rpv.MaxPIN, func(n int) page { return o.newPINPage("create.pin-again", first.n, n) })
			if err != nil {
				first.destroy()
				return nil, err
			}
			same := bytes.Equal(first.digits(), second.digits())
			second.destroy()
			if same {
				return first, nil
			}
			notice = o.badPINPage("PINs are not the", "same.")
		}
		first.destroy()
		o.show(notice)
		if err := o.enter(o.ctx); err != nil {
			return nil, err
		}
	}
}

// plain is a share as it came from the HSM, unwrapped.
type plain struct{ params rpv.SetParams }

func (p *plain) destroy() {
	p.params.Share.Destroy()
	p.params.RPKPrivate.Destroy()
}

// open unwraps what WriteShare carries. An RPK's certificate has to be for its
// key and for this HSM.
func (o *op) open(m *protocol.WriteShare) (_ *plain, err error) {
	if (o.kind == protocol.KeyRPK) != (len(m.RPKCert) > 0) {
		return nil, faulty(errors.New("an RPK belongs on orange keys, and only there"))
	}
	p := &plain{rpv.SetParams{ID: m.Set, Type: o.kind, Index: m.Index, M: m.M, N: m.N}}
	defer func() {
		if err != nil {
			p.destroy()
		}
	}()
	kind := protocol.OpCreate
	if o.kind == protocol.KeyRPK {
		kind = protocol.OpProvision
	}
	if p.params.Share, err = o.pipe.unwrap(o.label(kind, m.Set, m.Index), m.Wrapped); err != nil {
		return nil, err
	}
	if p.params.Share.Len() != rpv.SecretSize {
		return nil, faulty(rpv.ErrSecretSize)
	}
	if o.kind != protocol.KeyRPK {
		return p, nil
	}
	if p.params.RPKPrivate, err = o.pipe.unwrap(o.label(protocol.OpRPKKey, m.Set, m.Index), m.RPKKey); err != nil {
		return nil, err
	}
	p.params.RPKCert = m.RPKCert
	return p, o.checkRPK(p.params.RPKPrivate, m.RPKCert)
}

// checkRPK refuses a certificate that is not for this RPK and this HSM.
func (o *op) checkRPK(private *secret.Buffer, cert []byte) error {
	key, err := ecdh.P521().NewPrivateKey(private.Bytes())
	if err != nil {
		return faulty(errors.New("RPK is no key"))
	}
	pub, serial, err := certs.ParseRPK(cert)
	if err != nil {
		return faulty(err)
	}
	if !pub.Equal(key.PublicKey()) || serial != o.peer.Serial {
		return faulty(errors.New("RPK certificate is for another key or HSM"))
	}
	return nil
}
