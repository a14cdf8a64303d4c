package strangers

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits keeps strangers from using up a daemon: few connections of callers who
// have not proved themselves yet at a time, fewer from one address, a quarter of
// the places kept for those who have proved themselves before, and a growing
// pause for an address that held what there is one of without a proof.
type Limits struct {
	maxPending, maxPerAddress, kept int

	mu      sync.Mutex
	pending int
	addrs   map[netip.Addr]*address
}

// address is what is known of one caller's address: of an IPv4 address, of a
// whole IPv6 /64, or of the one IPv6 address in it that has proved itself.
type address struct {
	pending  int
	proved   bool          // a caller from here has proved himself
	unproven bool          // the last hold ended without a proof
	time     time.Duration // of holds without a proof, less what was forgiven
	last     time.Time     // when time was counted last
	strikes  int           // how often time was full, since the last proof
	until    time.Time     // no hold before this
}

const (
	firstPause   = 2 * time.Second
	maxPause     = 60 * time.Second
	unprovenTime = 3 * time.Second // of holds without a proof: the pause; less is honest failure
	forgiveEvery = 10              // a tenth of the time passed is forgiven
	maxAddrs     = 4096            // remembered addresses
)

// NewLimits returns Limits of so many places in all, and for one address.
func NewLimits(places, perAddress int) *Limits {
	return &Limits{maxPending: places, maxPerAddress: perAddress, kept: places / 4, addrs: make(map[netip.Addr]*address)}
}

// Admit counts a new connection. leave must be called once, when it has proved
// itself or has ended; ok is false when there are too many.
func (l *Limits) Admit(a netip.Addr) (leave func(), ok bool) {
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
func (l *Limits) find(a netip.Addr) *address {
	if e := l.addrs[a]; e != nil {
		return e
	}
	return l.addrs[network(a)]
}

// entry is find, with a new one where there is none; nil if too much is known.
func (l *Limits) entry(a netip.Addr) *address {
	if e := l.find(a); e != nil {
		return e
	}
	return l.add(network(a))
}

// add makes an entry. It forgets addresses that have nothing to say, and rather
// a stranger's than one that has proved itself.
func (l *Limits) add(a netip.Addr) *address {
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

// Paused reports whether a has to wait before it may hold anything.
func (l *Limits) Paused(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.find(a)
	return e != nil && time.Now().Before(e.until)
}

// MayWait reports whether a may wait for a holder that is going: not if it was
// the last time a holder that proved nothing.
func (l *Limits) MayWait(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.find(a)
	return e == nil || !e.unproven
}

// Proved notes that a caller from a has proved himself: all is forgiven.
func (l *Limits) Proved(a netip.Addr) {
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

// Unproven notes that a cost the others d and proved nothing. Short holds add up.
func (l *Limits) Unproven(a netip.Addr, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(a)
	if e == nil {
		return
	}
	now := time.Now()
	e.time = max(0, e.time-now.Sub(e.last)/forgiveEvery) + d
	e.last, e.unproven = now, true
	if e.time >= unprovenTime {
		e.time %= unprovenTime
		e.strikes = min(e.strikes+1, 10)
		e.until = now.Add(min(maxPause, firstPause<<(e.strikes-1)))
	}
}

// AddrOf returns the address of a connection without port and zone; the zero
// Addr for what is not TCP.
func AddrOf(a net.Addr) netip.Addr {
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
