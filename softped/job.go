package softped

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"openped/protocol"
	"openped/protocol/channel"
)

// job is a dialogue that runs: an operation of a session, or the part of a
// handshake that needs a person.
type job struct {
	id     protocol.CeremonyID // zero in a handshake
	in     chan protocol.Message
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	ending atomic.Bool // it has got its last message: the next operation may wait for it
}

// endTime bounds the wait for a dialogue that has got its last message.
const endTime = 10 * time.Second

// settle waits for a dialogue that is about to end.
func (j *job) settle() {
	if j == nil || !j.ending.Load() {
		return
	}
	late := time.NewTimer(endTime)
	defer late.Stop()
	select {
	case <-j.done:
	case <-late.C:
	}
}

// begin gives the keypad and the LCD to a new dialogue of l. It returns ErrBusy
// if the PED is in a menu or in a dialogue, and channel.ErrMode if the mode of l
// has been left.
func (p *PED) begin(l *link, id protocol.CeremonyID) (*job, error) {
	j := &job{id: id, in: make(chan protocol.Message, 8), done: make(chan struct{})}
	p.mu.Lock()
	if p.modeLocked() == protocol.PEDModeAdmin || p.busy {
		p.mu.Unlock()
		return nil, ErrBusy
	}
	if !p.stillServesLocked(l) {
		p.mu.Unlock()
		return nil, channel.ErrMode
	}
	j.ctx, j.cancel = context.WithCancelCause(l.c.ctx)
	p.menu, p.notice = menuNone, 0
	p.busy, p.deciding = true, j
	p.ui.own(true)
	p.mu.Unlock()
	l.mu.Lock()
	over := l.over
	l.job = j
	l.mu.Unlock()
	if over {
		j.cancel(stopLost)
	}
	p.tell(protocol.EvtState)
	return j, nil
}

// finish gives the keypad back.
func (p *PED) finish(l *link, j *job) {
	l.mu.Lock()
	if l.job == j {
		l.job = nil
	}
	l.mu.Unlock()
	p.mu.Lock()
	p.busy, p.deciding = false, nil
	p.ui.own(false)
	p.mu.Unlock()
	j.cancel(nil)
	p.tell(protocol.EvtState)
}

// run runs f as the dialogue j, with the signs of life that belong to it.
func (c *conn) run(l *link, j *job, f func()) {
	c.jobs.Add(1)
	go func() {
		defer c.jobs.Done()
		defer close(j.done)
		f()
	}()
	c.jobs.Add(1)
	go func() {
		defer c.jobs.Done()
		beat := time.NewTicker(activityEvery)
		defer beat.Stop()
		for {
			select {
			case <-beat.C:
				l.activity()
			case <-j.done:
				return
			}
		}
	}()
}

// newOp returns what dialogues of l need.
func (p *PED) newOp(l *link, j *job) *op {
	return &op{
		head: l.head, dialog: &dialog{ui: p.ui, per: p.cfg.ActionTime}, ctx: j.ctx, pipe: l, in: j.in,
		port: p.port, mem: p.mem, cost: p.cfg.Cost, log: p.log, rotated: p.dropCache, peer: l.peer, id: j.id,
	}
}

// startOp starts the operation that m asks for, or returns begin's error.
func (p *PED) startOp(l *link, m protocol.Message) error {
	j, err := p.begin(l, protocol.CeremonyOf(m))
	if err != nil {
		return err
	}
	o := p.newOp(l, j)
	l.c.run(l, j, func() { p.operate(l, j, o, m) })
	return nil
}

// operate runs an operation to its end and says how it ended: to the HSM first.
func (p *PED) operate(l *link, j *job, o *op, m protocol.Message) {
	err := o.run(m)
	name := o.head.op
	if err == nil {
		p.log.Info("operation done", "op", m.Type().String(), "ceremony", j.id.String())
		p.note(name + " ok")
		p.finish(l, j)
		p.say(o.donePage())
		return
	}
	s := asStop(err)
	p.log.Warn("operation ended", "op", m.Type().String(), "ceremony", j.id.String(), "reason", s)
	p.note(name + " no")
	var refused *channel.RefusedError
	switch {
	case errors.As(err, &refused):
		l.close(s, channel.AlertRecord())
	case !s.fromHSM:
		_ = l.send(&protocol.Cancel{Ceremony: j.id, Reason: s.reason})
	}
	p.finish(l, j)
	if s.reset {
		p.dropCache()
		l.close(s, l.farewell())
	}
	p.say(o.notice(s))
}
