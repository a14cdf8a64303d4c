package pedclient

import (
	"errors"
	"net"
	"sync"
	"time"

	"openped/internal/localsock"
)

// How many local programs may be connected at a time.
const (
	maxCallers  = 512
	maxPerUser  = 16 // of one user who is neither root nor this process's
	keptCallers = 8  // places of maxCallers that only these two get
)

// patience is how long a caller may be connected and ask for nothing while
// others wait for its place.
const patience = 100 * time.Millisecond

// places are where callers are counted: no member of the group takes all of
// them, and all members together leave some to root and this user. When there is
// none left, the one who has asked for nothing for the longest time gives way.
type places struct {
	mu      sync.Mutex
	all     map[*place]bool
	perUser map[string]int
}

func newPlaces() *places { return &places{all: map[*place]bool{}, perUser: map[string]int{}} }

// place is that of one caller.
type place struct {
	in    *places
	peer  localsock.Peer
	conn  net.Conn
	since time.Time
	asked bool
}

// take counts a caller, or refuses one too many.
func (p *places) take(peer localsock.Peer, conn net.Conn) (*place, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	owner := peer.Owner
	room := maxCallers
	if !owner {
		room -= keptCallers
		if p.perUser[peer.User] >= maxPerUser && !p.giveWay(func(o *place) bool { return o.peer.User == peer.User }) {
			return nil, errors.New("too many callers of this user")
		}
	}
	// A member makes room among members only, so that the kept places stay kept.
	if len(p.all) >= room && (!p.giveWay(func(o *place) bool { return owner || !o.peer.Owner }) || len(p.all) >= room) {
		return nil, errors.New("too many callers")
	}
	c := &place{in: p, peer: peer, conn: conn, since: time.Now()}
	p.all[c] = true
	p.perUser[peer.User]++
	return c, nil
}

// giveWay closes the oldest connection, among some, that has asked for nothing.
func (p *places) giveWay(among func(*place) bool) bool {
	var oldest *place
	for c := range p.all {
		if !c.asked && time.Since(c.since) >= patience && among(c) && (oldest == nil || c.since.Before(oldest.since)) {
			oldest = c
		}
	}
	if oldest == nil {
		return false
	}
	oldest.gone()
	_ = oldest.conn.Close()
	return true
}

// ask notes that the caller has asked for something.
func (c *place) ask() { c.in.mu.Lock(); c.asked = true; c.in.mu.Unlock() }

// leave gives the place back.
func (c *place) leave() { c.in.mu.Lock(); c.gone(); c.in.mu.Unlock() }

func (c *place) gone() {
	if !c.in.all[c] {
		return
	}
	delete(c.in.all, c)
	if c.in.perUser[c.peer.User]--; c.in.perUser[c.peer.User] == 0 {
		delete(c.in.perUser, c.peer.User)
	}
}

// taken is how many there are.
func (p *places) taken() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.all) }
