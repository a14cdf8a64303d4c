package bind

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// again is how often an address that is not here is looked for.
const again = 2 * time.Second

// Set is a listener at several places.
type Set struct {
	o     Options
	conns chan net.Conn
	end   context.Context
	stop  context.CancelFunc
	all   sync.WaitGroup
	tests selfTests

	mu    sync.Mutex
	spots []*spot
}

// spot is one place: an address, or all of them.
type spot struct {
	addr    netip.Addr // invalid: every address of both families
	spare   bool       // is left out where it is not here
	l       net.Listener
	second  net.Listener // of the other family, where one socket can not have both
	problem error        // why l is nil
}

func newSet(o Options, spots []*spot) *Set {
	s := &Set{o: o, spots: spots, conns: make(chan net.Conn)}
	s.end, s.stop = context.WithCancel(context.Background())
	return s
}

// listen opens the place. A port that is left to the system is the same in all
// places.
func (p *spot) listen(ctx context.Context, o *Options) error {
	var lc net.ListenConfig
	port := strconv.Itoa(o.Port)
	network, host := "tcp", ""
	switch {
	case !p.addr.IsValid():
	case p.addr.Is4():
		network, host = "tcp4", p.addr.String()
	default:
		network, host = "tcp6", p.addr.String()
	}
	l, err := lc.Listen(ctx, network, net.JoinHostPort(host, port))
	if err != nil {
		p.problem = err
		return err
	}
	at := addrOf(l)
	if o.Port == 0 {
		o.Port = int(at.Port())
	}
	if !p.addr.IsValid() && at.Addr().Unmap().Is4() {
		if p.second, err = lc.Listen(ctx, "tcp6", net.JoinHostPort("::", strconv.Itoa(o.Port))); err != nil && isInUse(err) {
			_ = l.Close()
			return err
		}
	}
	p.l, p.problem = l, nil
	return nil
}

func (p *spot) close() {
	for _, l := range []net.Listener{p.l, p.second} {
		if l != nil {
			_ = l.Close()
		}
	}
	p.l, p.second = nil, nil
}

// fixed reports whether the place can go and come.
func (p *spot) fixed() bool {
	return !p.addr.IsValid() || p.addr.IsUnspecified() || p.addr.IsLoopback()
}

// start accepts at all places, and watches those that can go and come.
func (s *Set) start() {
	watch := false
	for _, p := range s.spots {
		s.accept(p)
		watch = watch || !p.fixed()
		if p.l == nil {
			s.o.Log.Warn("waiting for an address that is not here", "address", p.addr.String())
		}
	}
	if watch {
		s.all.Go(s.watch)
	}
}

func (s *Set) watch() {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		select {
		case <-s.end.Done():
			return
		case <-tick.C:
			s.look()
		}
	}
}

// look takes up addresses that came and lets go of those that went.
func (s *Set) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.spots {
		switch {
		case s.end.Err() != nil:
			return
		case p.fixed() && p.l != nil:
		case p.l != nil && !here(p.addr):
			p.close()
			p.problem = errGone
			s.o.Log.Warn("an address went away; waiting for it", "address", p.addr.String())
		case p.l == nil:
			before := p.problem
			err := p.listen(s.end, &s.o)
			if err == nil {
				s.accept(p)
				s.o.Log.Info("listening", "address", p.l.Addr().String())
			} else if !isNotHere(err) && !(before != nil && before.Error() == err.Error()) {
				s.o.Log.Warn("can not listen", "err", s.o.explain(s.end, p.addr, err))
			}
		}
	}
}

var errGone = errors.New("the address went away")

// here reports whether an address can be listened on. Only trying tells: a host
// can have addresses that no interface shows.
func here(a netip.Addr) bool {
	c, err := net.ListenPacket("udp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		return !isNotHere(err)
	}
	_ = c.Close()
	return true
}

// accept hands on the connections of a place.
func (s *Set) accept(p *spot) {
	for _, l := range []net.Listener{p.l, p.second} {
		if l != nil {
			s.all.Go(func() { s.acceptFrom(l) })
		}
	}
}

const (
	firstPause = 5 * time.Millisecond // after an error of the system, such as too many open files
	maxPause   = time.Second
)

func (s *Set) acceptFrom(l net.Listener) {
	pause := firstPause
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if pause == firstPause {
				s.o.Log.Warn("can not accept a connection", "err", err)
			}
			select {
			case <-time.After(pause):
			case <-s.end.Done():
			}
			pause = min(2*pause, maxPause)
			continue
		case s.tests.take(c):
			_ = c.Close()
			continue
		}
		pause = firstPause
		select {
		case s.conns <- c:
		case <-s.end.Done():
			_ = c.Close()
		}
	}
}

// Accept waits for a connection at any place.
func (s *Set) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.end.Done():
		return nil, net.ErrClosed
	}
}

// Addr returns the first place; Addrs has all.
func (s *Set) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.spots {
		if p.l != nil {
			return p.l.Addr()
		}
	}
	a := netip.IPv6Unspecified()
	if len(s.spots) > 0 && s.spots[0].addr.IsValid() {
		a = s.spots[0].addr
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(s.o.Port)))
}

// Port returns the port.
func (s *Set) Port() int { return s.o.Port }

// Close stops listening. Connections that were accepted stay open.
func (s *Set) Close() error {
	s.stop()
	s.mu.Lock()
	for _, p := range s.spots {
		p.close()
	}
	s.mu.Unlock()
	s.all.Wait()
	return nil
}

func addrOf(l net.Listener) netip.AddrPort {
	a, _ := netip.ParseAddrPort(l.Addr().String())
	return a
}
