package pedserver

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// limits keeps strangers from using up the relay: few connections without the
// PED at a time, fewer from one address, some places kept for those who have
// proved themselves before, and a growing pause for an address that had the PED
// without proving to be an HSM.
type limits struct {
	maxPending, maxPerAddress, kept int

	mu      sync.Mutex
	pending int
	addrs   map[netip.Addr]*address
}

// address is what is known of one caller's address: of an IPv4 address, of a
// whole IPv6 /64, or of the one IPv6 address in it that has proved itself.
type address struct {
	pending  int
	proved   bool          // an HSM has proved itself from here
	unproven bool          // the last hold of the PED ended without a proof
	time     time.Duration // of holds without a proof, less what was forgiven
	last     time.Time     // when time was counted last
	strikes  int           // how often time was full, since the last proof
	until    time.Time     // no PED before this
}

const (
	firstPause   = 2 * time.Second
	maxPause     = 60 * time.Second
	unprovenTime = 3 * time.Second // of holds without a proof: the pause; less is honest failure
	forgiveEvery = 10              // a tenth of the time passed is forgiven
	maxAddrs     = 4096            // remembered addresses
)

func newLimits(c *Config) *limits {
	return &limits{maxPending: c.MaxPending, maxPerAddress: c.MaxPerAddress, kept: c.MaxPending / 4, addrs: make(map[netip.Addr]*address)}
}

// admit counts a new connection. leave must be called once, when it has the PED
// or has ended; ok is false when there are too many.
func (l *limits) admit(a netip.Addr) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(a)
	if e == nil || e.pending >= l.maxPerAddress {
		return nil, false
	}
	room := l.maxPending
	if !e.proved {
		room -= l.kept
	}
	if l.pending >= room {
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

// find returns what is known of a, or nil. An address that has proved itself
// does not answer for its neighbours.
func (l *limits) find(a netip.Addr) *address {
	if e := l.addrs[a]; e != nil {
		return e
	}
	return l.addrs[network(a)]
}

// entry is find, with a new one where there is none; nil if too much is known.
func (l *limits) entry(a netip.Addr) *address {
	if e := l.find(a); e != nil {
		return e
	}
	return l.add(network(a))
}

// add makes an entry. It forgets addresses that have nothing to say, and rather
// a stranger's than one that has proved itself.
func (l *limits) add(a netip.Addr) *address {
	for _, proved := range []bool{false, true} {
		if len(l.addrs) < maxAddrs {
			break
		}
		for k, v := range l.addrs {
			if v.pending == 0 && v.proved == proved && time.Since(v.until) > maxPause {
				delete(l.addrs, k)
			}
		}
	}
	if len(l.addrs) >= maxAddrs {
		return nil
	}
	e := new(address)
	l.addrs[a] = e
	return e
}

// paused reports whether a has to wait before it may have the PED.
func (l *limits) paused(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.find(a)
	return e != nil && time.Now().Before(e.until)
}

// mayWait reports whether a may wait for a holder that is going: not if it was
// the last time a holder that proved nothing.
func (l *limits) mayWait(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.find(a)
	return e == nil || !e.unproven
}

// proved notes that an HSM has proved itself from a: all is forgiven.
func (l *limits) proved(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.addrs[a]
	if e == nil {
		e = l.add(a)
	}
	if e != nil {
		*e = address{pending: e.pending, proved: true}
	}
}

// unproven notes that a had the PED for d and proved nothing. Short holds add up:
// each costs the others the PED, and the time to make it idle.
func (l *limits) unproven(a netip.Addr, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(a)
	if e == nil {
		return
	}
	now := time.Now()
	e.time = max(0, e.time-now.Sub(e.last)/forgiveEvery) + d + settle
	e.last, e.unproven = now, true
	if e.time >= unprovenTime {
		e.time %= unprovenTime
		e.strikes = min(e.strikes+1, 10)
		e.until = now.Add(min(maxPause, firstPause<<(e.strikes-1)))
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

// network is what one stranger may have all addresses of: an IPv6 /64.
func network(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}
