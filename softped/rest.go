package softped

import (
	"context"
	"errors"
	"time"

	"openped/protocol"
)

// noticeTime is how long the result of an operation stays on the LCD.
const noticeTime = 5 * time.Second

// rest shows what belongs on the LCD while nobody is asked anything.
func (p *PED) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restLocked()
}

func (p *PED) restLocked() {
	if p.busy {
		return
	}
	p.notice = 0
	pg := idlePage(p.mode)
	switch {
	case p.menu != menuNone:
		pg = p.menuPage()
	case p.conn != nil && p.conn.inSession():
		pg = readyPage(p.mode)
	}
	p.ui.showNew(pg)
}

// say shows the result of an operation: a key press or noticeTime removes it.
func (p *PED) say(pg page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy {
		return
	}
	p.ui.show(pg)
	seq := p.ui.screen().Seq
	p.notice = seq
	if p.restart != nil {
		p.restart.Stop()
	}
	p.restart = time.AfterFunc(noticeTime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.notice == seq && p.ui.screen().Seq == seq {
			p.restLocked()
		}
	})
}

// note adds to the log that '>' shows.
func (p *PED) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.actions = append(p.actions, clip(text, Columns))
	p.actions = p.actions[max(0, len(p.actions)-(Rows-2)):]
}

// tell sends the host an event, if there is a host.
func (p *PED) tell(kind protocol.EventKind) {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.mu.Lock()
	c := p.conn
	e := protocol.PEDEvent{Kind: kind, Mode: p.modeLocked(), Busy: p.busy}
	if p.cache != nil {
		e.RPKs = p.cache.serials
	}
	p.mu.Unlock()
	if c == nil {
		return
	}
	if err := c.g.SendEvent(c.ctx, e); err != nil && !errors.Is(err, context.Canceled) {
		p.log.Debug("event not sent", "event", kind.String(), "error", err)
	}
}

// dropCache forgets the orange key.
func (p *PED) dropCache() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cache.destroy()
	p.cache = nil
}
