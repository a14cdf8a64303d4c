package strangers

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Quiet is what is logged of strangers: the first of a kind at once, and then
// one line a minute for an address with the number of those that were not
// logged, so that nobody fills the disk by calling.
type Quiet struct {
	log *slog.Logger

	mu    sync.Mutex
	kinds map[kind]*times
}

type kind struct {
	from netip.Addr
	msg  string
}

type times struct {
	next time.Time // no line before this
	more int       // lines left out since the last
}

const (
	quietTime = time.Minute
	maxKinds  = 128 // remembered; the rest share one line a minute
)

// NewQuiet returns a Quiet that writes to log.
func NewQuiet(log *slog.Logger) *Quiet { return &Quiet{log: log, kinds: make(map[kind]*times)} }

// Say logs msg of the network that from is in, or counts it.
func (q *Quiet) Say(level slog.Level, from netip.Addr, msg string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := kind{network(from), msg}
	t := q.kinds[k]
	if t == nil && len(q.kinds) >= maxKinds {
		k = kind{msg: "calls from many addresses"}
		t, msg, args = q.kinds[k], k.msg, nil
	}
	if t == nil {
		t = new(times)
		q.kinds[k] = t
	}
	now := time.Now()
	if now.Before(t.next) {
		t.more++
		return
	}
	if t.more > 0 {
		args = append(args, "more", t.more)
	}
	t.next, t.more = now.Add(quietTime), 0
	q.log.Log(context.Background(), level, msg, args...)
}

// Proved lets everything be logged of an address again.
func (q *Quiet) Proved(from netip.Addr) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for k := range q.kinds {
		if k.from == network(from) {
			delete(q.kinds, k)
		}
	}
}

// Run says what was counted, until ctx ends and once more then.
func (q *Quiet) Run(ctx context.Context) {
	tick := time.NewTicker(quietTime)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		q.flush(ctx.Err() != nil)
	}
}

// flush says what was counted, and forgets what is over; all of it at the end.
func (q *Quiet) flush(end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for k, t := range q.kinds {
		if !end && now.Before(t.next) {
			continue
		}
		if t.more == 0 {
			delete(q.kinds, k)
			continue
		}
		q.log.Info(k.msg, "from", k.from.String(), "more", t.more)
		t.next, t.more = now.Add(quietTime), 0
	}
}
