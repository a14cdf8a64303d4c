package bind

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	reachTime = 500 * time.Millisecond // for one address
	maxReach  = 16                     // addresses that are tried
)

// Reach is what trying an address gave.
type Reach struct {
	Address string `json:"address"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
}

// Reachable connects to this daemon under each of its addresses that others can
// use, and says under which it got an answer: a firewall of this host, or another
// program that has the port of one address, shows itself here. It takes no longer
// than reachTime. The connections reach nobody else.
func (s *Set) Reachable(ctx context.Context) []Reach {
	var out []Reach
	for _, a := range s.Addrs() {
		if a.State == Listening && a.Scope != onlyHere.String() && len(out) < maxReach {
			out = append(out, Reach{Address: a.Address})
		}
	}
	var all sync.WaitGroup
	for i := range out {
		all.Go(func() {
			r := &out[i]
			if err := s.tests.try(ctx, r.Address); err != nil {
				r.Problem = err.Error()
			} else {
				r.OK = true
			}
		})
	}
	all.Wait()
	return out
}

// selfTests are the connections of a daemon to itself that are under way, by the
// address they come from.
type selfTests struct {
	mu  sync.Mutex
	all map[string]chan struct{}
}

var errOther = errors.New("no answer from this program: look at this host's firewall, and whether another program has the port there")

// try connects to an address and waits for take to see it, at most reachTime.
func (t *selfTests) try(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	from, err := freePort(to.Addr())
	if err != nil {
		return errOther
	}
	seen := make(chan struct{})
	t.mu.Lock()
	if t.all == nil {
		t.all = make(map[string]chan struct{})
	}
	t.all[from.String()] = seen
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		delete(t.all, from.String())
		t.mu.Unlock()
	}()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from)}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return errOther
	}
	defer c.Close()
	select {
	case <-seen:
		return nil
	case <-ctx.Done():
		return errOther
	}
}

// freePort returns an address to connect from.
func freePort(a netip.Addr) (netip.AddrPort, error) {
	l, err := net.Listen("tcp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer l.Close()
	return addrOf(l), nil
}

// take reports whether a connection is a test, which then is over.
func (t *selfTests) take(c net.Conn) bool {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return false
	}
	key := netip.AddrPortFrom(from.Addr().Unmap(), from.Port()).String()
	t.mu.Lock()
	defer t.mu.Unlock()
	seen, ok := t.all[key]
	if ok {
		close(seen)
		delete(t.all, key)
	}
	return ok
}
