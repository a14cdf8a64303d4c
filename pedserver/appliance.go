package pedserver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"openped/certs/linkid"
	"openped/internal/strangers"
	"openped/protocol"
)

// LinkState is what a link of ours to an appliance is in.
type LinkState string

// The states.
const (
	LinkDisconnected LinkState = "disconnected" // nobody wants it
	LinkConnecting   LinkState = "connecting"
	LinkWaiting      LinkState = "waiting" // for the next try
	LinkParked       LinkState = "parked"  // it stands
	LinkServing      LinkState = "serving" // and its HSM has the PED
)

const (
	maxTries   = 20               // of `connect`
	dialTime   = 5 * time.Second  // until an appliance answers
	firstDelay = time.Second      // between two tries, doubled for each
	triesDelay = 5 * time.Second  // the longest of `connect`
	againDelay = 30 * time.Second // the longest of a link that has stood
)

// appliance is an HSM host that we call.
type appliance struct {
	name string

	mu      sync.Mutex
	state   LinkState
	since   time.Time
	tries   int                     // failed ones since the link was asked for, or stood
	err     error                   // why the last try failed or the link ended
	peer    linkid.Peer             // who was called last
	changed chan struct{}           // closed at the next change of the state or the tries
	stop    context.CancelCauseFunc // ends all of it; nil while nobody wants the link
	renew   context.CancelCauseFunc // ends the present try, or link
	done    chan struct{}           // closed when all of it has ended
	now     chan struct{}           // gets one to end the wait for the next try
}

func newAppliance(name string) *appliance {
	return &appliance{name: name, state: LinkDisconnected, since: time.Now(), changed: make(chan struct{}), now: make(chan struct{}, 1)}
}

// set changes the state; change, which may be nil, changes more under the lock.
func (a *appliance) set(state LinkState, change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if change != nil {
		change()
	}
	if a.state != state {
		a.state, a.since = state, time.Now()
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

// wanted reports whether somebody wants the link.
func (a *appliance) wanted() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.stop != nil }

// AddAppliance takes up a registered appliance, so that it can be connected.
func (s *Server) AddAppliance(name string) error {
	if !s.cfg.Peer {
		return ErrLegacy
	}
	p, ok := s.cfg.Peers().Lookup(name)
	if !ok {
		return fmt.Errorf("appliance %s %w", name, ErrNotRegistered)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(name) != nil {
		return fmt.Errorf("appliance %s %w", name, ErrAdded)
	}
	a := newAppliance(p.Name)
	a.peer = p
	s.appliances = append(s.appliances, a)
	if s.running && s.cfg.AutoConnect {
		s.call(a, true)
	}
	return nil
}

// find returns an appliance that was added, or nil. It needs the lock.
func (s *Server) find(name string) *appliance {
	i := slices.IndexFunc(s.appliances, func(a *appliance) bool { return strings.EqualFold(a.name, name) })
	if i < 0 {
		return nil
	}
	return s.appliances[i]
}

// added returns an appliance for a command about it.
func (s *Server) added(name string) (*appliance, error) {
	if !s.cfg.Peer {
		return nil, ErrLegacy
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.find(name); a != nil {
		return a, nil
	}
	if _, ok := s.cfg.Peers().Lookup(name); !ok {
		return nil, fmt.Errorf("appliance %s %w", name, ErrNotRegistered)
	}
	return nil, fmt.Errorf("appliance %s %w", name, ErrNotStarted)
}

// Connect makes the link to an appliance and returns nil when it stands, which it
// may do already. It gives up after 20 tries with a *ConnectError. When ctx ends
// first the tries go on. A link that has stood is made again whenever it ends,
// until Disconnect.
func (s *Server) Connect(ctx context.Context, name string) error {
	a, err := s.added(name)
	if err != nil {
		return err
	}
	select {
	case <-s.begun: // the command may come first
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	if !s.running {
		s.mu.Unlock()
		return ErrStopping
	}
	if s.find(name) != a { // dropped meanwhile
		s.mu.Unlock()
		return fmt.Errorf("appliance %s %w", a.name, ErrNotStarted)
	}
	before := s.call(a, false)
	s.mu.Unlock()
	for {
		a.mu.Lock()
		state, tries, failed, peer, changed := a.state, a.tries, a.err, a.peer, a.changed
		a.mu.Unlock()
		switch {
		case state == LinkParked, state == LinkServing:
			return nil
		case state == LinkDisconnected && failed == nil && s.root.Err() != nil:
			return ErrStopping
		case state == LinkDisconnected && failed == nil:
			return fmt.Errorf("appliance %s: %w", a.name, ErrDisconnected)
		case state == LinkDisconnected:
			return failed
		case tries-before >= maxTries:
			return &ConnectError{Name: a.name, Address: addressOf(peer), Tries: tries - before, Err: failed}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// call begins to make the link, if nobody has yet, and else makes the next try at
// once. It returns the number of failed tries so far. It needs the lock of s, in
// which Serve must be running.
func (s *Server) call(a *appliance, forEver bool) (tries int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stop != nil {
		select {
		case a.now <- struct{}{}:
		default:
		}
		return a.tries
	}
	var ctx context.Context
	ctx, a.stop = context.WithCancelCause(s.root)
	a.state, a.since, a.tries, a.err, a.done = LinkConnecting, time.Now(), 0, nil, make(chan struct{})
	s.conns.Go(func() { s.link(ctx, a, forEver) })
	return 0
}

// link makes the link to an appliance again and again, until ctx ends or there is
// no use in it.
func (s *Server) link(ctx context.Context, a *appliance, forEver bool) {
	var end error
	tries := 0
	defer func() {
		if end == nil { // somebody wanted it so
			tries = 0
		}
		a.set(LinkDisconnected, func() {
			a.stop(nil)
			a.stop, a.renew, a.err, a.tries = nil, nil, end, tries
		})
		close(a.done)
	}()
	said := ""
	for n := 0; ; n++ {
		stood, err := s.once(ctx, a)
		if ctx.Err() != nil {
			s.log.Info("link to appliance disconnected", "appliance", a.name)
			return
		}
		if tries++; stood > 0 {
			tries, forEver = 0, true
		}
		if stood >= againDelay {
			n = 0
		}
		if why := reason(err); stood > 0 || why != said {
			s.log.Warn("no link to appliance", "appliance", a.name, "stood", stood.Round(time.Second), "tries", tries, "reason", logged(err))
			said = why
		}
		if end = a.final(err, tries, forEver); end != nil {
			s.log.Error("gave up making the link to appliance", "appliance", a.name, "tries", tries)
			return
		}
		a.set(LinkWaiting, func() { a.err, a.tries = err, tries })
		select {
		case <-time.After(delay(n, forEver)):
		case <-a.now:
		case <-ctx.Done():
			return
		}
	}
}

// final returns the error to end with if there is no use in a further try.
func (a *appliance) final(err error, tries int, forEver bool) error {
	refused, wrong := errors.AsType[*linkid.RefusedError](err)
	wrong = wrong && refused.Reason != linkid.Closed && refused.Reason != linkid.TooSlow
	switch {
	case errors.Is(err, ErrNotRegistered), errors.Is(err, ErrNoIdentity):
		return err
	case !forEver && (wrong || tries >= maxTries):
		a.mu.Lock()
		defer a.mu.Unlock()
		return &ConnectError{Name: a.name, Address: addressOf(a.peer), Tries: tries, Err: err}
	}
	return nil
}

// delay is the pause after the n-th failure in a row, from 0. Those that never
// give up are spread out: when a network comes back all of them are waiting.
func delay(n int, forEver bool) time.Duration {
	d := firstDelay << min(n, 10)
	if !forEver {
		return min(d, triesDelay)
	}
	d = min(d, againDelay)
	return d - rand.N(d/4)
}

// once makes the link once and serves it. It returns how long it stood, 0 if it
// never did.
func (s *Server) once(ctx context.Context, a *appliance) (stood time.Duration, err error) {
	all := ctx
	ctx, renew := context.WithCancelCause(all)
	defer renew(nil)
	defer func() {
		if ctx.Err() != nil && all.Err() == nil {
			err = errRenewed
		}
	}()
	// In this order: a registration that changes from here on finds this try.
	a.set(LinkConnecting, func() { a.renew = renew })
	reg := s.cfg.Peers()
	p, ok := reg.Lookup(a.name)
	if !ok {
		return 0, fmt.Errorf("appliance %s %w", a.name, ErrNotRegistered)
	}
	a.set(LinkConnecting, func() { a.peer = p })
	l, who, hello, err := s.dial(ctx, p, reg)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	var begin time.Time // when it stood
	err = s.keep(ctx, l, who, hello, func(state LinkState) {
		if !begin.IsZero() {
			a.set(state, nil)
			return
		}
		begin = time.Now()
		a.set(state, func() { a.tries, a.err = 0, nil })
		s.log.Info("link to appliance stands", "appliance", a.name, "address", who.addr, "protection", who.tls, "software", hello.Software)
	})
	if begin.IsZero() {
		return 0, err
	}
	return max(1, time.Since(begin)), err
}

// dial calls an appliance, up to its HELLO. A name is looked up each time.
func (s *Server) dial(ctx context.Context, p linkid.Peer, reg *linkid.Registry) (*link, caller, protocol.Hello, error) {
	none := func(err error) (*link, caller, protocol.Hello, error) { return nil, caller{}, protocol.Hello{}, err }
	id := s.cfg.Identity()
	if id == nil {
		return none(ErrNoIdentity)
	}
	dctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c, err := s.cfg.dial(dctx, "tcp", addressOf(p))
	if err != nil {
		return none(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	by := time.Now().Add(s.live.now().ReadTimeout)
	tctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	t, err := linkid.Client(tctx, c, id, reg, p.Name)
	if err != nil {
		return none(err)
	}
	l := &link{Conn: t, raw: c, live: &s.live}
	hello, err := l.hello(by)
	if err != nil {
		if last, ok := errors.AsType[protocol.Error](err); ok {
			_ = l.farewell(last)
		}
		c.Close()
		return none(err)
	}
	addr := c.RemoteAddr()
	return l, caller{from: strangers.AddrOf(addr), addr: addr.String(), name: t.PeerName(), tls: t.Protection(), peer: t, called: true}, hello, nil
}

var errRenewed = errors.New("its registration here has changed")

func addressOf(p linkid.Peer) string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// Disconnect ends the link to an appliance, or the tries to make it, and returns
// when the PED is idle.
func (s *Server) Disconnect(ctx context.Context, name string) error {
	a, err := s.added(name)
	if err != nil {
		return err
	}
	a.mu.Lock()
	stop, done := a.stop, a.done
	if stop != nil {
		stop(protocol.Error{Code: protocol.LinkErrDisconnected})
	}
	a.mu.Unlock()
	if stop == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DropAppliance disconnects an appliance and forgets it. It reports whether it
// was the last.
func (s *Server) DropAppliance(ctx context.Context, name string) (last bool, err error) {
	for dropped := false; !dropped; {
		if err := s.Disconnect(ctx, name); err != nil {
			return false, err
		}
		last, dropped = s.drop(name)
	}
	return last, nil
}

// drop forgets an appliance, unless somebody has had it connected meanwhile: a
// link that nobody knows could not be ended.
func (s *Server) drop(name string) (last, dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.find(name)
	if a != nil && a.wanted() {
		return false, false
	}
	s.appliances = slices.DeleteFunc(s.appliances, func(b *appliance) bool { return b == a })
	return len(s.appliances) == 0, true
}

// recheck ends the links, and the tries, to appliances that are registered
// otherwise by now, or no more. What is registered is called again.
func (s *Server) recheck() {
	reg := s.cfg.Peers()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.appliances {
		p, ok := reg.Lookup(a.name)
		a.mu.Lock()
		switch {
		case a.renew == nil:
		case !ok, !p.Cert.Equal(a.peer.Cert):
			a.renew(protocol.Error{Code: protocol.LinkErrNotAllowed})
		case addressOf(p) != addressOf(a.peer):
			a.renew(protocol.Error{Code: protocol.LinkErrDisconnected})
		}
		select {
		case a.now <- struct{}{}: // what was wrong may be right now
		default:
		}
		again := ok && a.stop == nil && errors.Is(a.err, ErrNotRegistered)
		a.mu.Unlock()
		if again && s.cfg.AutoConnect && s.running {
			s.call(a, true)
		}
	}
}
