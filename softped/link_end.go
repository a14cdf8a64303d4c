package softped

import (
	"errors"
	"time"

	"openped/protocol"
	"openped/protocol/channel"
)

func (l *link) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// outlived forgets a session that has reached its age. Nothing is sent: the HSM
// knows, and a connection that nobody uses stays idle for its host. A dialogue
// that still runs is the HSM's to end.
func (l *link) outlived() {
	l.mu.Lock()
	running := l.job != nil
	if running && !l.over {
		l.age.Reset(time.Minute)
	}
	l.mu.Unlock()
	if !running {
		l.end(stopLost, nil)
	}
}

// fail ends the channel for a cause: the alert for ours, silence for theirs.
func (l *link) fail(err error) {
	why := &stop{reason: protocol.CancelHost, fromHSM: true, cause: err, show: []string{"Refused."}}
	if errors.Is(err, channel.ErrAlert) {
		l.c.p.log.Warn("HSM refused", "hsm", l.peer.Serial)
		why.show = []string{"Refused by the HSM."}
		l.end(why, nil)
		return
	}
	l.c.p.log.Warn("channel refused", "hsm", l.peer.Serial, "error", err)
	l.end(why, channel.AlertRecord())
}

// farewell is what ends the channel properly: close_notify in a session, the
// alert before.
func (l *link) farewell() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil
	}
	if l.s != nil {
		if rec, err := l.s.Close(); err == nil {
			return rec
		}
	}
	return channel.AlertRecord()
}

// end ends the channel and shows it: what was waited for failed, or the PED is
// idle. It returns the dialogue that it ended, which shows its end itself.
func (l *link) end(why *stop, last []byte) (running *job) {
	over, waiting, job := l.close(why, last)
	switch {
	case over || job != nil:
	case waiting:
		l.c.p.say(l.head.failedPage(append([]string{"No session."}, why.show...)...))
	default:
		l.c.p.rest()
	}
	return job
}

// close ends the channel once: last is sent if not nil, keys are wiped, whatever
// dialogue runs is ended with why, and a Pair mode that was tried is over. It
// leaves the LCD alone, and reports whether the channel was over before, and
// whether PedAuth was waiting for its answer.
func (l *link) close(why *stop, last []byte) (over, waiting bool, running *job) {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return true, false, nil
	}
	l.over = true
	if last != nil {
		l.c.send(last)
	}
	if l.v != nil {
		if s := l.v.Session(); s != nil { // complete, and nobody has taken it
			s.Wipe()
		}
		l.v.Wipe()
	}
	if l.s != nil {
		l.s.Wipe()
	}
	if l.late != nil {
		l.late.Stop()
	}
	if l.age != nil {
		l.age.Stop()
	}
	waiting = l.sent && l.s == nil
	begun, job, o := l.begun, l.job, l.orange
	l.orange = nil
	l.mu.Unlock()

	l.c.mu.Lock()
	if l.c.link == l {
		l.c.link = nil
	}
	l.c.mu.Unlock()
	l.c.session.Store(false)
	p := l.c.p
	if o != nil {
		if why != stopLost {
			p.rejected(o)
		}
		o.destroy()
	}
	if begun && l.mode == channel.ModeOTP {
		p.disarm(l.choice)
	}
	if job != nil {
		job.cancel(why)
	}
	p.tell(protocol.EvtClosed)
	p.tell(protocol.EvtState) // mode and cache may have changed
	return false, waiting, job
}

// disarm ends Pair mode: one try, one password. Pair chosen anew is another try.
func (p *PED) disarm(choice uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == protocol.PEDModePair && p.choice == choice {
		p.mode = protocol.PEDModeRemote
		p.log.Info("pair mode is over")
	}
}
