package pedclient

import (
	"context"
	"net"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"
)

// trace notes how a connection came about: the addresses of a name, what became
// of each, and how long each step took. A nil trace notes nothing.
type trace struct {
	mu    sync.Mutex
	begin time.Time
	steps []Step
	found []string // the addresses of the name
	tried []tried
	used  string // the address that answered
}

// tried is one address that was called in vain.
type tried struct {
	address string
	err     error
}

// Step is one step of a connection and the time that it took.
type Step struct {
	Name         string `json:"name"` // resolve, connect, tls, hello, probe
	Microseconds int64  `json:"microseconds"`
}

func newTrace() *trace { return &trace{begin: time.Now()} }

// watch lets the trace see what the dialler does. Two addresses may be tried at
// the same time, so the hooks are locked.
func (t *trace) watch(ctx context.Context) context.Context {
	if t == nil {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(i httptrace.DNSDoneInfo) {
			t.mu.Lock()
			for _, a := range i.Addrs {
				t.found = append(t.found, a.String())
			}
			t.mu.Unlock()
			t.step("resolve")
		},
		ConnectDone: func(_, address string, err error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if err != nil && t.used == "" {
				t.tried = append(t.tried, tried{address, err})
			}
		},
	})
}

// connected ends the step that has no name of its own in the dialler.
func (t *trace) connected(c net.Conn) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.used = c.RemoteAddr().String()
	t.mu.Unlock()
	t.step("connect")
}

// step ends a step: the next begins.
func (t *trace) step(name string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.steps = append(t.steps, Step{name, now.Sub(t.begin).Microseconds()})
	t.begin = now
}

// failures returns the addresses that were called in vain.
func (t *trace) failures() []tried {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.tried)
}

// seen returns the addresses of the name, the one that answered, and the steps.
func (t *trace) seen() (found []string, used string, steps []Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.found), t.used, append([]Step{}, t.steps...)
}
