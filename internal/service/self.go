package service

import (
	"context"
	"time"
)

// How begins what a service says: one that serves, that serves with something
// wrong, that ends, that does not start, and that served and failed.
const (
	serves     = "Serving"
	servesBut  = serves + ", but "
	ends       = "Stopping"
	failedMark = "Not started: "
	endedMark  = "Failed: "
)

// Self is what a running service tells its manager. A nil *Self is a process that
// is no service; its methods do nothing.
type Self struct {
	tell   func(event, string)
	beat   func()        // tells the watchdog that all is well
	within time.Duration // the watchdog's patience; 0: there is none
}

type event int

const (
	isReady event = iota
	isStopping
	hasFailed
	hasEnded
)

// Ready says that the service serves. A warning is one line; empty if all is well.
func (s *Self) Ready(warning string) {
	switch {
	case s == nil:
	case warning == "":
		s.tell(isReady, serves)
	default:
		s.tell(isReady, servesBut+warning)
	}
}

// Stopping says that the service ends.
func (s *Self) Stopping() {
	if s != nil {
		s.tell(isStopping, ends)
	}
}

// Failed says why the service does not start: one line without secrets.
func (s *Self) Failed(cause string) {
	if s != nil {
		s.tell(hasFailed, failedMark+cause)
	}
}

// Ended says why a service has failed that had started.
func (s *Self) Ended(cause string) {
	if s != nil {
		s.tell(hasEnded, endedMark+cause)
	}
}

// Watch tells the watchdog, until ctx ends, that all is well as long as alive
// returns nil in time. A service whose alive hangs is ended by its manager.
func (s *Self) Watch(ctx context.Context, alive func() error) {
	if s == nil || s.within <= 0 {
		return
	}
	each := s.within / 4
	tick := time.NewTicker(each)
	defer tick.Stop()
	for {
		// One question at a time: an answer that does not come is not asked for
		// again.
		answer := make(chan error, 1)
		go func() { answer <- alive() }()
		select {
		case err := <-answer:
			if err == nil {
				s.beat()
			}
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
