package bind

import (
	"net/netip"
	"slices"
)

// scope says from where an address can be reached.
type scope uint8

const (
	global scope = iota
	private
	linkLocal
	onlyHere
)

func (s scope) String() string { return [...]string{"global", "private", "link-local", "loopback"}[s] }

func scopeOf(a netip.Addr) scope {
	switch {
	case a.IsLoopback():
		return onlyHere
	case a.IsLinkLocalUnicast():
		return linkLocal
	case a.IsPrivate():
		return private
	}
	return global
}

// Addr is one address for the status.
type Addr struct {
	Address string `json:"address"` // with the port
	State   string `json:"state"`   // listening or waiting
	Scope   string `json:"scope"`   // global, private, link-local or loopback
	Problem string `json:"problem,omitempty"`
}

const (
	Listening = "listening"
	Waiting   = "waiting" // for the address to be here
)

// Addrs returns the addresses under which the daemon can be reached now, and
// those that are waited for. Where it listens on all, these are the host's at
// this moment; of IPv6 link-local addresses, which every interface has, only
// those that were named.
func (s *Set) Addrs() []Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Addr
	var own []netip.Addr
	add := func(a netip.Addr, state, problem string) {
		out = append(out, Addr{netip.AddrPortFrom(a, uint16(s.o.Port)).String(), state, scopeOf(a).String(), problem})
	}
	for _, p := range s.spots {
		if p.l == nil {
			problem := "not an address of this host now"
			if p.problem != nil && p.problem != errGone && !isNotHere(p.problem) {
				problem = "can not be listened on"
			}
			add(p.addr, Waiting, problem)
			continue
		}
		if p.addr.IsValid() && !p.addr.IsUnspecified() {
			add(p.addr, Listening, "")
			continue
		}
		if own == nil {
			own = ownAddrs()
		}
		for _, a := range own {
			if p.takes(a) && !(a.Is6() && a.IsLinkLocalUnicast()) {
				add(a, Listening, "")
			}
		}
	}
	return slices.CompactFunc(out, func(a, b Addr) bool { return a.Address == b.Address })
}

// takes reports whether a place that is every address is this one too.
func (p *spot) takes(a netip.Addr) bool {
	switch {
	case p.addr.IsValid():
		return p.addr.Is4() == a.Is4()
	case p.second != nil:
		return true
	}
	return a.Is4() || addrOf(p.l).Addr().Is6() && !addrOf(p.l).Addr().Is4In6()
}
