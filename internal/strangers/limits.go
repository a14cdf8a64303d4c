package strangers

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Limits keeps strangers from using up a daemon: few connections of callers who
// have not proved themselves yet at a time, fewer from one address, a quarter of
// the places kept for those who have proved themselves before, silence giving
// way to those who talk, and a growing pause for an address that held what there
// is one of without a proof.
type Limits struct {
	maxPending, maxPerAddress, kept int

	mu     sync.Mutex
	guests []*Guest
	addrs  map[netip.Addr]*address
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

// patience is how long a guest may be silent while others wait for its place.
// Who means to talk does so at once: his first words come with the connection.
const patience = 100 * time.Millisecond

// answerTime is the same for one who was asked something: his answer takes as
// long as the way to him and back.
const answerTime = time.Second

// Guest is one connection that has not proved itself.
type Guest struct {
	l      *Limits
	e      *address
	c      net.Conn
	silent time.Time // since when, or later for more patience; zero while it may take its time
	gone   bool
}

// Admit counts a new connection. When there are too many, the one that has been
// silent for the longest time is closed and gives way; ok is false without such
// a one. Leave must be called when the guest has proved itself or has ended.
func (l *Limits) Admit(a netip.Addr, c net.Conn) (g *Guest, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(a)
	if e == nil {
		return nil, false
	}
	if e.pending >= l.maxPerAddress && !l.giveWay(func(g *Guest) bool { return g.e == e }) {
		return nil, false
	}
	room := l.maxPending
	if !e.proved {
		room -= l.kept
	}
	if len(l.guests) >= room && (!l.giveWay(func(g *Guest) bool { return !g.e.proved }) || len(l.guests) >= room) {
		return nil, false
	}
	g = &Guest{l: l, e: e, c: c, silent: time.Now()}
	e.pending++
	l.guests = append(l.guests, g)
	return g, true
}

// giveWay closes the oldest silent guest among some.
func (l *Limits) giveWay(among func(*Guest) bool) bool {
	var oldest *Guest
	for _, g := range l.guests {
		if !g.silent.IsZero() && time.Since(g.silent) >= patience && among(g) && (oldest == nil || g.silent.Before(oldest.silent)) {
			oldest = g
		}
	}
	if oldest == nil {
		return false
	}
	oldest.leave()
	Abort(oldest.c)
	return true
}

// Heard notes that the guest has said what it has to say: it is our turn.
func (g *Guest) Heard() { g.l.mu.Lock(); g.silent = time.Time{}; g.l.mu.Unlock() }

// Asked notes that it is the guest's turn again: its silence begins.
func (g *Guest) Asked() {
	g.l.mu.Lock()
	g.silent = time.Now().Add(answerTime - patience)
	g.l.mu.Unlock()
}

// Told notes that the guest has had its last word and only its hanging up is
// waited for: it gives way to the next who comes.
func (g *Guest) Told() { g.l.mu.Lock(); g.silent = time.Now().Add(-patience); g.l.mu.Unlock() }

// Leave gives the place back. It may be called more than once.
func (g *Guest) Leave() { g.l.mu.Lock(); g.leave(); g.l.mu.Unlock() }

func (g *Guest) leave() {
	if g.gone {
		return
	}
	g.gone = true
	g.e.pending--
	g.l.guests = slices.DeleteFunc(g.l.guests, func(o *Guest) bool { return o == g })
}

// Abort closes the connection of a caller who is owed nothing: what is under way
// is thrown away, and the system keeps no memory of it.
func Abort(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
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

// Known reports whether somebody from a has proved himself.
func (l *Limits) Known(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.find(a)
	return e != nil && e.proved
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
