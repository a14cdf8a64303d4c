package strangers

import (
	"context"
	"sync"
	"time"
)

// Pace spaces out what strangers make a daemon do, so that it has time for those
// it knows.
type Pace struct {
	every time.Duration

	mu   sync.Mutex
	next time.Time
}

// NewPace returns a Pace of one thing in every d.
func NewPace(d time.Duration) *Pace { return &Pace{every: d} }

// Wait waits for its turn, in the order of the calls. It reports false when that
// would take longer than most, or when ctx ends.
func (p *Pace) Wait(ctx context.Context, most time.Duration) bool {
	p.mu.Lock()
	now := time.Now()
	turn := p.next
	if turn.Before(now) {
		turn = now
	}
	if turn.Sub(now) > most {
		p.mu.Unlock()
		return false
	}
	p.next = turn.Add(p.every)
	p.mu.Unlock()
	select {
	case <-time.After(turn.Sub(now)):
		return true
	case <-ctx.Done():
		return false
	}
}
