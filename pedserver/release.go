package pedserver

import (
	"context"
	"time"

	"openped/protocol"
	"openped/usbped"
)

// What can be wrong with giving the PED up.
var (
	// ErrTaken: an HSM has the PED, and it was not said to take it from it.
	ErrTaken error = &fault{"an HSM has the PED", "see who in -mode show and wait, or take the PED away with -force"}
	// ErrHangs: the PED could not be closed.
	ErrHangs error = &fault{"the PED is given up, but a call to it hangs", "unplug the PED and plug it in again"}
)

// errGivenUp is why there is no PED when it was given up for other programs.
var errGivenUp error = givenUp{}

type givenUp struct{}

func (givenUp) Error() string { return usbped.StateReleased.Text() }
func (givenUp) Hint() string  { return usbped.StateReleased.Remedy() }

// ReleasePED gives the PED up for other programs, until ClaimPED or the next
// start. It returns when the PED is closed. An HSM that has the PED keeps it
// (ErrTaken), unless force is set: then its host is told.
func (s *Server) ReleasePED(ctx context.Context, force bool) error { return s.ped.giveUp(ctx, force) }

// ClaimPED takes the PED back, and returns what came of that.
func (s *Server) ClaimPED() PEDStatus {
	s.ped.takeBack()
	s.ped.look()
	return s.ped.status()
}

func (p *ped) giveUp(ctx context.Context, force bool) error {
	p.mu.Lock()
	h := p.holder
	if h != nil && !force {
		p.mu.Unlock()
		return ErrTaken
	}
	p.released = true
	closed := p.closed
	p.mu.Unlock()
	p.log.Info("PED given up for other programs")
	if h != nil {
		h.end()
		idle := time.NewTimer(p.releaseWait())
		defer idle.Stop()
		select {
		case <-h.free:
		case <-idle.C:
		case <-ctx.Done():
		}
	}
	p.turn()                    // the round that is under way ends
	defer p.setLack(errGivenUp) // even if that has not come about yet
	if closed == nil {
		return nil
	}
	late := time.NewTimer(closeWait + 2*obey)
	defer late.Stop()
	select {
	case <-closed:
		return nil
	case <-late.C:
		return ErrHangs
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *ped) takeBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.released {
		return
	}
	p.log.Info("PED taken back")
	// At once: a round that began in between would be ended as given up.
	p.released, p.looked = false, make(chan struct{})
	p.turnLocked()
}

// turn tells run that released has changed.
func (p *ped) turn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turnLocked()
}

func (p *ped) turnLocked() {
	close(p.turned)
	p.turned = make(chan struct{})
}

// end takes the PED from the holder, who is told that it was given up.
func (h *hold) end() { h.ending.Do(func() { close(h.ended) }) }

// errTakenAway is what a holder is told then.
var errTakenAway = protocol.Error{Code: protocol.LinkErrPEDReleased}

// lackCode is what an HSM host is told of why there is no PED.
func lackCode(err error) protocol.LinkErr {
	switch lackState(err) {
	case usbped.StateReleased:
		return protocol.LinkErrPEDReleased
	case usbped.StateNoPED, usbped.StateUnplugged:
		return protocol.LinkErrNoPED
	case usbped.StateMute:
		return protocol.LinkErrPEDMute
	}
	return protocol.LinkErrPEDUnusable
}
