package pedserver

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// limits keeps strangers from using up the relay: few connections without the
// PED at a time, fewer from one address, and a growing pause for an address
// that had the PED without proving to be an HSM.
type limits struct {
	maxPending, maxPerAddress int

	mu      sync.Mutex
	pending int
	addrs   map[netip.Addr]*address
}

type address struct {
	pending int
	strikes int       // holds of the PED without a proof, in a row
	until   time.Time // no PED before this
}

const (
	firstPause  = 2 * time.Second
	maxPause    = 60 * time.Second
	unprovenLen = 3 * time.Second // shorter unproven holds are honest failures
	maxAddrs    = 4096            // remembered addresses
)

func newLimits(c *Config) *limits {
	return &limits{maxPending: c.MaxPending, maxPerAddress: c.MaxPerAddress, addrs: make(map[netip.Addr]*address)}
}

// admit counts a new connection. leave must be called once, when it has the PED
// or has ended; ok is false when there are too many.
func (l *limits) admit(a netip.Addr) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending >= l.maxPending {
		return nil, false
	}
	e := l.entry(a)
	if e == nil || e.pending >= l.maxPerAddress {
		return nil, false
	}
	l.pending++
	e.pending++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.pending--
		e.pending--
	}), true
}

// entry returns what is known of a, or nil if too much is. It forgets addresses
// that have nothing to say.
func (l *limits) entry(a netip.Addr) *address {
	e := l.addrs[a]
	if e != nil {
		return e
	}
	if len(l.addrs) >= maxAddrs {
		for k, v := range l.addrs {
			if v.pending == 0 && time.Since(v.until) > maxPause {
				delete(l.addrs, k)
			}
		}
		if len(l.addrs) >= maxAddrs {
			return nil
		}
	}
	e = new(address)
	l.addrs[a] = e
	return e
}

// paused reports whether a has to wait before it may have the PED.
func (l *limits) paused(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.addrs[a]
	return e != nil && time.Now().Before(e.until)
}

// held notes how a hold of the PED by a ended.
func (l *limits) held(a netip.Addr, proven bool, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(a)
	switch {
	case e == nil:
	case proven:
		e.strikes, e.until = 0, time.Time{}
	case d >= unprovenLen:
		e.strikes = min(e.strikes+1, 10)
		e.until = time.Now().Add(min(maxPause, firstPause<<(e.strikes-1)))
	}
}

// addrOf returns the address of a connection without port and zone; the zero
// Addr for what is not TCP.
func addrOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
