package softped

import (
	"errors"
	"sync"
	"time"

	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
)

// confirmWait bounds the wait for the HSM's Confirm, which slows down after
// failed handshakes.
const confirmWait = 90 * time.Second

// sessionLimit is how long a session lives, by the PED's clock. The HSM, which
// has the same limit, makes a new one long before it needs this one again.
const sessionLimit = 24 * time.Hour

// activityEvery is how often a running dialogue shows a sign of life, whatever
// is typed in it.
const activityEvery = 5 * time.Second

// link is one channel, from Hello to its end.
type link struct {
	c     *conn
	peer  channel.Identity
	mode  channel.Mode
	label string         // as claimed
	live  protocol.SetID // the HSM's RPV, zero if it does not say
	head  head
	// choice is the PED's choice of a mode that Hello was judged by. After
	// another one the channel asks nobody anything, and nothing of it is kept.
	choice uint64

	mu     sync.Mutex
	v      *channel.V       // until the session
	s      *channel.Session // from then on
	over   bool
	begun  bool    // a person was, or could have been, asked
	sent   bool    // PedAuth
	orange *orange // what the PedAuth that was sent was made with, until Confirm
	job    *job
	late   *time.Timer // of the handshake
	age    *time.Timer // of the session
}

var errOver = errors.New("channel is over")

func newLink(c *conn, v *channel.V, choice uint64) *link {
	l := &link{c: c, v: v, choice: choice, peer: v.Peer(), mode: v.Hello().Mode, label: v.Hello().Label, live: v.Hello().LiveSet}
	l.head = head{slotLine(l.peer.Serial), opSession}
	if !l.peer.Known {
		l.head.slot = slotLine(unverified)
	}
	return l
}

// frame takes a message or record of the HSM's.
func (l *link) frame(b []byte) {
	l.mu.Lock()
	sent, j := l.sent, l.job
	l.mu.Unlock()
	if sent && !l.c.inSession() {
		j.settle() // the answer can be faster than the dialogue's last line
	}
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return
	}
	if l.s != nil {
		kind, payload, err := l.s.Open(b)
		l.mu.Unlock()
		l.record(kind, payload, err)
		return
	}
	ev, err := l.v.Receive(b)
	var chain [][]byte
	switch {
	case err != nil:
	case ev == channel.EvBegin:
		l.begun = true
	case ev == channel.EvConfirmed:
		chain = l.v.Hello().Chain
		l.openLocked() // here, so that whoever ends the channel finds the session
	}
	l.mu.Unlock()
	if err != nil {
		l.fail(err)
		return
	}
	switch ev {
	case channel.EvProven:
		l.c.p.tell(protocol.EvtProven)
	case channel.EvBegin:
		l.c.p.startAuth(l)
	case channel.EvConfirmed:
		l.confirmed(chain)
	}
}

// openLocked makes the session of a handshake that is complete, and keeps the
// orange key that it was made with.
func (l *link) openLocked() {
	l.s, l.v = l.v.Session(), nil
	if l.late != nil {
		l.late.Stop()
	}
	l.age = time.AfterFunc(sessionLimit, l.outlived)
	l.c.session.Store(true)
	if l.orange != nil {
		l.c.p.keep(l, l.orange)
		l.orange = nil
	}
}

// confirmed says that there is a session.
func (l *link) confirmed(chain [][]byte) {
	p := l.c.p
	if !l.peer.Known {
		p.storeRoot(chain)
	}
	p.log.Info("session open", "hsm", l.peer.Serial, "mode", l.mode.String())
	p.rest()
	p.tell(protocol.EvtState)
}

// record takes an opened record of the session.
func (l *link) record(kind channel.RecordKind, payload []byte, err error) {
	if err != nil {
		l.fail(err)
		return
	}
	switch kind {
	case channel.KindCloseNotify:
		l.c.p.log.Info("session closed by the HSM")
		l.end(stopLost, nil)
	case channel.KindData:
		m, err := protocol.DecodeMessage(payload)
		clear(payload)
		if err != nil || !m.Type().FromHSM() {
			l.fail(errors.New("session carried no message of an HSM"))
			return
		}
		l.message(m)
	}
}

// message takes a message of the HSM's.
func (l *link) message(m protocol.Message) {
	p := l.c.p
	p.log.Debug("message", "type", m.Type().String(), "ceremony", protocol.CeremonyOf(m).String())
	switch m.(type) {
	case *protocol.Info:
		_ = l.send(p.infoReply())
		return
	}
	l.mu.Lock()
	j := l.job
	l.mu.Unlock()
	switch m.(type) {
	case *protocol.Authenticate, *protocol.CreateKeyset, *protocol.Confirm:
		j.settle() // HSMs start the next operation right after End
		switch err := p.startOp(l, m); {
		case errors.Is(err, ErrBusy):
			_ = l.send(&protocol.Cancel{Ceremony: protocol.CeremonyOf(m), Reason: protocol.CancelBusy})
		case err != nil:
			l.fail(err)
		}
		return
	}
	if j == nil || j.id != protocol.CeremonyOf(m) {
		return // of an operation that is over: it crossed our Cancel
	}
	switch m := m.(type) {
	case *protocol.Cancel:
		j.ending.Store(true)
		j.cancel(&stop{reason: m.Reason, fromHSM: true})
		return
	case *protocol.End:
		j.ending.Store(true)
	}
	select {
	case j.in <- m:
	default:
		j.cancel(faulty(errors.New("HSM sent more messages than belong together")))
	}
}

func (p *PED) infoReply() *protocol.InfoReply {
	r := &protocol.InfoReply{Serial: p.cfg.Serial, Firmware: p.cfg.Firmware}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cache != nil {
		r.RPKs = p.cache.serials
	}
	return r
}

// send seals and sends a message. The lock keeps the records in order.
func (l *link) send(m protocol.Message) error {
	if err := protocol.CheckMessage(m); err != nil {
		return err
	}
	l.c.p.log.Debug("send", "type", m.Type().String(), "ceremony", protocol.CeremonyOf(m).String())
	return l.write(func() ([]byte, error) {
		if l.s == nil {
			return nil, errOver
		}
		b := protocol.EncodeMessage(m)
		defer clear(b)
		return l.s.Seal(b)
	})
}

// write makes a record and sends it. A session that can carry no more is closed:
// the HSM begins the next one.
func (l *link) write(seal func() ([]byte, error)) error {
	l.mu.Lock()
	err := l.writeLocked(seal)
	l.mu.Unlock()
	if errors.Is(err, channel.ErrExpired) {
		l.c.p.log.Warn("session has carried what it may", "hsm", l.peer.Serial)
		l.end(stopSpent, l.farewell())
		return stopSpent
	}
	return err
}

// writeLocked is write for who holds l.mu.
func (l *link) writeLocked(seal func() ([]byte, error)) error {
	if l.over {
		return errOver
	}
	rec, err := seal()
	if err != nil {
		return err
	}
	return l.c.g.SendFrame(l.c.ctx, rec)
}

// activity sends the sign of life, if this is a time for it.
func (l *link) activity() {
	_ = l.write(func() ([]byte, error) {
		switch {
		case l.s != nil:
			return l.s.Activity()
		case l.v.State() == channel.StateBegun:
			return l.v.Activity()
		}
		return nil, errOver
	})
}

// wrap and unwrap are of the session; their failure is the session's end.
func (l *link) wrap(label channel.Label, value []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.s == nil {
		return nil, errOver
	}
	return l.s.WrapSecret(label, value)
}

func (l *link) unwrap(label channel.Label, wrapped []byte) (*secret.Buffer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.s == nil {
		return nil, errOver
	}
	return l.s.UnwrapSecret(label, wrapped)
}
