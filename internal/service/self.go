package service

import (
	"context"
	"time"
)

// failedMark begins what a service says that does not start.
const failedMark = "Not started: "

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
)

// Ready says that the service serves; status is one line for whoever looks.
func (s *Self) Ready(status string) {
	if s != nil {
		s.tell(isReady, status)
	}
}

// Stopping says that the service ends.
func (s *Self) Stopping() {
	if s != nil {
		s.tell(isStopping, "Stopping")
	}
}

// Failed says why the service does not start: one line without secrets.
func (s *Self) Failed(cause string) {
	if s != nil {
		s.tell(hasFailed, failedMark+cause)
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
