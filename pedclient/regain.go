package pedclient

import (
	"context"
	"errors"
	"time"

	"openped/hsm"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// Getting a PED back over a link that its PEDserver makes again.
const (
	regainTime  = 30 * time.Minute // when no idle time-out says otherwise
	regainEvery = time.Second      // between two tries while something is in the way
	regainTries = 10               // of those, after each return of the link
	regainCalm  = time.Minute      // a PED that stays longer is no trouble
	regainPause = 30 * time.Second // the longest between two returns of one that does not
	byItself    = "pedclient, by itself"
)

// regain is a slot's wait for its PED to come back.
type regain struct {
	cancel context.CancelFunc
	done   chan struct{}
	from   string // the PEDserver
}

// lost is called when a hold is over. If a PED-initiated link was lost that is
// about to come back, so does the PED: nobody has to do anything for it. But
// somebody may have said meanwhile that he wants something else.
func (s *slot) lost(w way, wish int, cause *hsm.Error) {
	if reason := lossReason(cause); reason != "" {
		s.client.counts.lose(reason)
	}
	if !w.parked || !comesBack(cause) || !s.hsm.Info().RPVInitialized {
		return
	}
	wait := s.client.net.clock.get().Idle
	if wait <= 0 {
		wait = regainTime
	}
	ctx, cancel := context.WithTimeout(hsm.WithCaller(context.Background(), byItself), wait)
	r := &regain{cancel: cancel, done: make(chan struct{}), from: w.PEDServer}
	s.mu.Lock()
	old := s.regain
	if s.closed || s.wishes != wish {
		s.mu.Unlock()
		cancel()
		return
	}
	s.regain = r
	pause := s.flapping()
	s.mu.Unlock()
	if old != nil {
		old.cancel()
	}
	go func() {
		defer cancel()
		err := s.again(ctx, w, pause)
		s.mu.Lock()
		if s.regain == r {
			s.regain = nil
		}
		s.mu.Unlock()
		close(r.done)
		if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
			s.log.Warn("the PED was not got back", "pedserver", w.PEDServer, "err", err)
		}
	}()
}

// flapping returns how long to wait before the PED is got back: each time is a
// record in the audit log, and nobody may fill that by calling and hanging up.
func (s *slot) flapping() time.Duration {
	if s.back.IsZero() || time.Since(s.back) > regainCalm {
		s.flaps = 0
		return 0
	}
	s.flaps = min(s.flaps+1, 6)
	return min(regainPause, time.Second<<(s.flaps-1))
}

// endRegain stops waiting for the PED to come back, and keeps it from beginning.
func (s *slot) endRegain() {
	s.mu.Lock()
	s.wishes++
	r := s.regain
	s.regain = nil
	s.mu.Unlock()
	if r != nil {
		r.cancel()
		<-r.done // it waits for nothing but what its context ends
	}
}

// settled waits until the slot is not being connected by itself: nobody is
// refused because of something that nobody has asked for. It takes no longer
// than to connect does, for no person is waited for.
func (s *slot) settled(ctx context.Context) {
	s.mu.Lock()
	d := s.dialing
	s.mu.Unlock()
	if d == nil || d.caller != byItself {
		return
	}
	select {
	case <-d.done:
	case <-ctx.Done():
	}
}

// regaining returns whose return is waited for, or "".
func (s *slot) regaining() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.regain == nil {
		return ""
	}
	return s.regain.from
}

// again connects when the link is back. What may be in the way for a moment is
// the ceremony that the loss has ended, or the PEDserver making the PED idle.
func (s *slot) again(ctx context.Context, w way, pause time.Duration) error {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return ctx.Err()
	}
	for tries := 0; ; tries++ {
		if s.client.hub.get(w.PEDServer) == nil {
			tries = 0
		}
		if s.client.hub.await(ctx, w.PEDServer) == nil {
			return ctx.Err()
		}
		err := s.join(ctx, w, nil, func() {}, func() {})
		if err == nil {
			s.log.Info("the PED is back", "pedserver", w.PEDServer)
			s.mu.Lock()
			s.back = time.Now()
			s.mu.Unlock()
			return nil
		}
		if tries >= regainTries || !passes(err) {
			return err
		}
		select {
		case <-time.After(regainEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// passes reports whether another try may do better.
func passes(err error) bool {
	var e *hsm.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == hsmapi.CKR_OPERATION_ACTIVE || e.Code == hsmapi.CKR_PED_BUSY || comesBack(e)
}

// comesBack reports whether a link that ended so is made again, and the PED
// with it: the network failed, or the PEDserver was restarted.
func comesBack(cause *hsm.Error) bool {
	var l lost
	var said protocol.Error
	return errors.As(cause.Err, &l) || errors.As(cause.Err, &said) && said.Code == protocol.LinkErrShutdown
}
