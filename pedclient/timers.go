package pedclient

import (
	"sync/atomic"
	"time"
)

// Timers of the link; zero values are filled in. They can change while links
// are up: each wait takes what is set when it begins.
type Timers struct {
	Dial         time.Duration // to connect, and then to get the PED; default 10 s
	PingInterval time.Duration // default 1 s
	PingTimeout  time.Duration // without any frame; default 3 s
	Write        time.Duration // for one frame; default 3 s
	Idle         time.Duration // without a PED frame; 0: PEDserver decides alone
	IgnoreIdle   bool          // no Idle for an HSM at the PED ID that is assigned to it
}

func (t *Timers) fill() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Dial, 10*time.Second)
	set(&t.PingInterval, time.Second)
	set(&t.PingTimeout, 3*time.Second)
	set(&t.Write, 3*time.Second)
}

// clock holds the Timers of the moment.
type clock struct{ p atomic.Pointer[Timers] }

func newClock(t Timers) *clock {
	c := new(clock)
	c.set(t)
	return c
}

func (c *clock) set(t Timers) { t.fill(); c.p.Store(&t) }

func (c *clock) get() Timers { return *c.p.Load() }
