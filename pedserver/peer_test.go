package pedserver

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"openped/certs/linkid"
	"openped/protocol"
	"openped/usbped"
)

// office is a PEDserver with its registrations, and the appliances it can reach.
type office struct {
	*testing.T
	dir string
	id  *linkid.Identity // of the PEDserver
	reg atomic.Pointer[linkid.Registry]

	mu    sync.Mutex
	rooms map[string]*room // by address
}

// room is an appliance's host: PEDclient's end of the links that PEDserver makes.
type room struct {
	name  string
	id    *linkid.Identity
	peers *linkid.Registry // whom it takes
	links chan net.Conn    // authenticated

	mu    sync.Mutex
	down  error // why it cannot be reached
	mute  bool  // takes a connection and says nothing
	calls []time.Time
}

func (r *room) set(down error) { r.mu.Lock(); r.down = down; r.mu.Unlock() }

func (r *room) called() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]time.Time(nil), r.calls...)
}

func (r *room) forget() { r.mu.Lock(); r.calls = nil; r.mu.Unlock() }

func generate(t *testing.T, cn string) *linkid.Identity {
	t.Helper()
	id, err := linkid.Generate(cn)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func newOffice(t *testing.T) *office {
	o := &office{T: t, dir: t.TempDir(), id: generate(t, "desk"), rooms: map[string]*room{}}
	o.reload()
	return o
}

func (o *office) conf() string { return filepath.Join(o.dir, "pedServer.conf") }

// reload reads the registrations again.
func (o *office) reload() {
	o.Helper()
	reg, err := linkid.ReadRegistry(o.conf(), linkid.Appliance)
	if err != nil {
		o.Fatal(err)
	}
	o.reg.Store(reg)
}

// register registers an appliance, and lets it be reached at that host.
func (o *office) register(name, host string, port int) *room {
	o.Helper()
	id := generate(o.T, name)
	cert, _, err := id.Save(filepath.Join(o.dir, "of-"+name), true)
	if err != nil {
		o.Fatal(err)
	}
	p, err := linkid.Register(o.conf(), o.dir, linkid.Peer{Kind: linkid.Appliance, Name: name, Host: host, Port: port}, cert)
	if err != nil {
		o.Fatal(err)
	}
	r := &room{name: name, id: id, peers: linkid.Only(linkid.PEDServer, "desk", o.id.Cert), links: make(chan net.Conn, 16)}
	o.mu.Lock()
	o.rooms[addressOf(p)] = r
	o.mu.Unlock()
	o.reload()
	return r
}

func (o *office) delete(name string) {
	o.Helper()
	if err := linkid.Delete(o.conf(), o.dir, linkid.Appliance, name); err != nil {
		o.Fatal(err)
	}
	o.reload()
}

func (o *office) dial(ctx context.Context, network, address string) (net.Conn, error) {
	o.mu.Lock()
	r := o.rooms[address]
	o.mu.Unlock()
	if r == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: address}}
	}
	r.mu.Lock()
	r.calls = append(r.calls, time.Now())
	down, mute := r.down, r.mute
	r.mu.Unlock()
	if errors.Is(down, context.DeadlineExceeded) { // a network that swallows everything
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
	if down != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: down}
	}
	a, b := net.Pipe()
	if mute {
		o.Cleanup(func() { b.Close() })
		return addrConn{a, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 9697}}, nil
	}
	go func() {
		c, err := linkid.Server(context.Background(), b, r.id, r.peers)
		if err != nil {
			return
		}
		select {
		case r.links <- c:
		default: // nobody answers there
			b.Close()
		}
	}()
	return addrConn{a, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 9697}}, nil
}

// inOffice runs f with a server in peer-to-peer mode that has the appliances
// abox and bbox registered and started.
func inOffice(t *testing.T, cfg Config, f func(w *world, o *office, abox, bbox *room)) {
	t.Helper()
	var o *office
	var abox, bbox *room
	inWorldWith(t, func(t *testing.T) Config {
		o = newOffice(t)
		abox, bbox = o.register("abox", "abox.example", 9697), o.register("bbox", "10.0.0.9", 9696)
		cfg.Peer, cfg.dial = true, o.dial
		cfg.Identity = func() *linkid.Identity { return o.id }
		cfg.Peers = func() *linkid.Registry { return o.reg.Load() }
		return cfg
	}, func(w *world) {
		for _, name := range []string{"abox", "bbox"} {
			if err := w.srv.AddAppliance(name); err != nil {
				t.Fatal(err)
			}
		}
		f(w, o, abox, bbox)
	})
}

// link takes the appliance's end of a link that stands.
func (w *world) link(r *room) *host {
	w.t.Helper()
	select {
	case c := <-r.links:
		h := w.host(c)
		h.hello()
		return h
	case <-time.After(time.Minute):
		w.t.Fatalf("no link to %s", r.name)
		return nil
	}
}

// connect connects an appliance and returns its end of the link.
func (w *world) connect(r *room) *host {
	w.t.Helper()
	done := make(chan error, 1)
	go func() { done <- w.srv.Connect(context.Background(), r.name) }()
	h := w.link(r)
	if err := <-done; err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) linkTo(name string) LinkStatus {
	for _, l := range w.srv.Status().Links {
		if l.Name == name {
			return l
		}
	}
	w.t.Fatalf("no link to %s in the status", name)
	return LinkStatus{}
}

// take has an HSM take the PED over a parked link, and prove itself.
func (w *world) take(h *host, serial string) {
	w.t.Helper()
	h.send(protocol.Acquire{HSMSerial: serial})
	want[protocol.Acquired](h)
	w.plug.now().event(protocol.EvtProven)
	if e := want[protocol.PEDEvent](h); e.Kind != protocol.EvtProven {
		w.t.Errorf("%+v", e)
	}
}

func TestPeerServes(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		h := w.connect(abox)
		if st := w.linkTo("abox"); st.State != LinkParked || st.Address != "abox.example:9697" {
			t.Errorf("%+v", st)
		}
		time.Sleep(2 * time.Hour) // nobody needs the PED, the link stands
		if h.ended() || len(abox.called()) != 1 {
			t.Fatal("a parked link does not last")
		}
		for range 3 {
			w.take(h, "H1")
			if st := w.srv.Status(); w.linkTo("abox").State != LinkServing || st.Client == nil || st.Client.Name != "abox" || !st.Client.Called || st.Client.HSM != "H1" || !strings.HasPrefix(st.Client.TLS, "TLS 1.3") {
				t.Errorf("%+v", st)
			}
			h.send(protocol.PEDFrame{Bytes: []byte("UP")})
			if got := w.plug.now().next(t, usbped.HostFrame); string(got) != "UP" {
				t.Errorf("PED got %q", got)
			}
			h.send(protocol.Release{}) // and again at once
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if h.ended() || w.linkTo("abox").State != LinkParked || w.srv.Status().Client != nil {
			t.Errorf("%+v", w.linkTo("abox"))
		}
		if len(abox.called()) != 1 {
			t.Error("the link was made anew")
		}
	})
}

// Several links are parked; the PED is one appliance's at a time.
func TestPeerBusy(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		a, b := w.connect(abox), w.connect(bbox)
		w.take(a, "H1")
		time.Sleep(30 * time.Second)
		for range 2 {
			b.send(protocol.Acquire{HSMSerial: "H2"})
			if busy := want[protocol.Busy](b); busy.Since < 30 || busy.Holder != "abox" {
				t.Errorf("%+v", busy)
			}
		}
		a.send(protocol.Release{})
		w.take(b, "H2") // waits for a's PED to be idle
		if a.ended() || b.ended() || w.linkTo("abox").State != LinkParked || w.linkTo("bbox").State != LinkServing {
			t.Errorf("%+v", w.srv.Status().Links)
		}
	})
}

// A PED that takes its time to go idle does not let a parked link look dead.
func TestPeerReleaseOfSlowPED(t *testing.T) {
	m := &mute{closed: make(chan struct{}, 100)}
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		m.closed = make(chan struct{}, 100)
		w.plug.set(false)
		time.Sleep(time.Second)
		w.plug.other = m
		w.plug.set(true)
		time.Sleep(time.Second)
		h := w.connect(abox)
		h.send(protocol.Acquire{HSMSerial: "H1"})
		want[protocol.Acquired](h)
		h.send(protocol.Release{})
		h.send(protocol.Acquire{HSMSerial: "H1"})
		begin, heard := time.Now(), time.Now()
		for len(h.in) == 0 {
			time.Sleep(100 * time.Millisecond)
			if n := h.pings.Swap(0); n > 0 {
				heard = time.Now()
			}
			if time.Since(heard) > 2*time.Second {
				t.Fatal("the HSM host hears nothing")
			}
		}
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrPEDMute || time.Since(begin) < 2*time.Second {
			t.Errorf("%v after %v", e, time.Since(begin))
		}
	})
}

// F-16: who cannot be called calls. Twenty tries, with pauses that grow, and then
// an error that names the last cause.
func TestF16TwentyTries(t *testing.T) {
	for name, c := range map[string]struct {
		down error
		want string
		each time.Duration // what a try takes
	}{
		"refused":    {syscall.ECONNREFUSED, "nobody listens there", 0},
		"black hole": {context.DeadlineExceeded, "no answer in time", dialTime},
		"no name":    {&net.DNSError{Err: "no such host", Name: "abox.example"}, "the host name is not known", 0},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
				abox.set(c.down)
				begin := time.Now()
				err := w.srv.Connect(w.t.Context(), "ABOX")
				failed, ok := errors.AsType[*ConnectError](err)
				if !ok || failed.Tries != 20 || failed.Hint() == "" ||
					err.Error() != "no link to appliance abox at abox.example:9697 after 20 tries: "+c.want {
					t.Errorf("%v", err)
				}
				if took := time.Since(begin); took != 87*time.Second+20*c.each {
					t.Errorf("took %v", took)
				}
				calls := abox.called()
				for i, pause := range []time.Duration{1, 2, 4, 5, 5, 5} {
					if got := calls[i+1].Sub(calls[i]) - c.each; got != pause*time.Second {
						t.Errorf("pause %d is %v", i, got)
					}
				}
				if st := w.linkTo("abox"); st.State != LinkDisconnected || !strings.Contains(st.Error, c.want) {
					t.Errorf("%+v", st)
				}
				time.Sleep(time.Hour)
				if len(abox.called()) != 20 {
					t.Errorf("called %d times", len(abox.called()))
				}
				abox.set(nil)
				w.connect(abox)
			})
		})
	}
}

// One who gave up waiting for connect leaves the tries going; so does one who
// asks a second time, and another's disconnect ends them for all.
func TestConnectIsInterrupted(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		abox.set(syscall.ECONNREFUSED)
		ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
		defer cancel()
		if err := w.srv.Connect(ctx, "abox"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		done := make(chan error, 1)
		go func() { done <- w.srv.Connect(w.t.Context(), "abox") }()
		time.Sleep(time.Second)
		if err := w.srv.Disconnect(w.t.Context(), "abox"); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, ErrDisconnected) {
			t.Error(err)
		}
		calls := len(abox.called())
		time.Sleep(time.Hour)
		if st := w.linkTo("abox"); len(abox.called()) != calls || st.State != LinkDisconnected || st.Tries != 0 || st.Error != "" {
			t.Error("still calling")
		}
	})
}

// A link that has stood comes back by itself: after 1 s at first, then more and
// more slowly up to 30 s, and not all at the same moment.
func TestReconnect(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		h := w.connect(abox)
		time.Sleep(time.Minute)
		abox.forget()
		abox.set(syscall.ENETUNREACH)
		lost := time.Now()
		h.c.Close()
		time.Sleep(10 * time.Minute)
		calls := append([]time.Time{lost}, abox.called()...)
		if len(calls) < 22 || len(calls) > 35 {
			t.Fatalf("%d calls", len(calls))
		}
		even := true
		for i := 1; i < len(calls); i++ {
			most := min(time.Second<<(i-1), 30*time.Second)
			pause := calls[i].Sub(calls[i-1])
			if pause > most || pause < most*3/4 {
				t.Errorf("pause %d is %v, not up to a quarter less than %v", i, pause, most)
			}
			even = even && pause == most
		}
		if even {
			t.Error("all wait for the same time")
		}
		if st := w.linkTo("abox"); st.State != LinkWaiting || st.Tries != len(calls)-1 || !strings.Contains(st.Error, "unreachable") {
			t.Errorf("%+v", st)
		}
		abox.set(nil)
		back := time.Now()
		w.link(abox)
		if time.Since(back) > 30*time.Second {
			t.Errorf("back after %v", time.Since(back))
		}
		synctest.Wait()
		if st := w.linkTo("abox"); st.State != LinkParked || st.Tries != 0 || st.Error != "" {
			t.Errorf("%+v", st)
		}
		// Connect does not wait for the pause.
		abox.set(syscall.ENETUNREACH)
		time.Sleep(time.Minute)
	})
}

// While the network is away, connect asks at once and gives up by itself; the
// daemon does not.
func TestConnectWhileReconnecting(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		h := w.connect(abox)
		abox.set(syscall.ECONNREFUSED)
		h.c.Close()
		time.Sleep(10 * time.Minute)
		abox.forget()
		begin := time.Now()
		done := make(chan error, 1)
		go func() { done <- w.srv.Connect(w.t.Context(), "abox") }()
		synctest.Wait()
		if len(abox.called()) != 1 || time.Since(begin) != 0 {
			t.Error("connect waits for the next try")
		}
		failed, ok := errors.AsType[*ConnectError](<-done)
		if !ok || failed.Tries != 20 {
			t.Errorf("%v", failed)
		}
		abox.set(nil)
		w.link(abox)
	})
}

// A parked link whose other end falls silent is noticed by the ping timeout.
func TestParkedLinkIsLost(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		h := w.connect(abox)
		time.Sleep(time.Minute)
		close(h.mute)
		abox.set(syscall.EHOSTUNREACH)
		time.Sleep(4100 * time.Millisecond)
		if st := w.linkTo("abox"); st.State != LinkWaiting || st.Error == "" || !h.ended() {
			t.Errorf("%+v", st)
		}
		abox.set(nil)
		w.link(abox)
	})
}

// A served link that falls silent gives the PED to others and comes back.
func TestServedLinkIsLost(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		a, b := w.connect(abox), w.connect(bbox)
		w.take(a, "H1")
		time.Sleep(time.Minute)
		close(a.mute)
		time.Sleep(4 * time.Second)
		w.take(b, "H2")
		back := w.link(abox)
		back.send(protocol.Acquire{HSMSerial: "H1"})
		if busy := want[protocol.Busy](back); busy.Holder != "bbox" {
			t.Errorf("%+v", busy)
		}
		b.send(protocol.Release{})
		w.take(back, "H1")
	})
}

func TestDisconnect(t *testing.T) {
	inOffice(t, Config{Live: Live{IdleTimeout: -1}}, func(w *world, o *office, abox, bbox *room) {
		a, b := w.connect(abox), w.connect(bbox)
		w.take(a, "H1")
		begin := time.Now()
		if err := w.srv.Disconnect(w.t.Context(), "abox"); err != nil {
			t.Error(err)
		}
		if e := want[protocol.Error](a); e.Code != protocol.LinkErrDisconnected {
			t.Errorf("%v", e)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		w.plug.now().next(t, usbped.HostCancel)
		w.take(b, "H2")
		if err := w.srv.Disconnect(w.t.Context(), "abox"); err != nil {
			t.Errorf("a second time: %v", err)
		}
		time.Sleep(time.Hour)
		if len(abox.called()) != 1 || b.ended() {
			t.Error("called again, or the other link is gone")
		}
		w.connect(abox) // and it can be connected again
	})
}

func TestDropAppliance(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		a := w.connect(abox)
		if last, err := w.srv.DropAppliance(w.t.Context(), "abox"); last || err != nil {
			t.Error(last, err)
		}
		want[protocol.Error](a)
		if err := w.srv.Connect(w.t.Context(), "abox"); !errors.Is(err, ErrNotStarted) {
			t.Error(err)
		}
		if last, err := w.srv.DropAppliance(w.t.Context(), "bbox"); !last || err != nil {
			t.Error(last, err)
		}
		if st := w.srv.Status(); len(st.Links) != 0 {
			t.Errorf("%+v", st.Links)
		}
		if err := w.srv.AddAppliance("abox"); err != nil {
			t.Error(err)
		}
	})
}

// Who connects in the moment in which an appliance is let go makes no link that
// nobody could end. It fails when Connect does not look again.
func TestDroppedWhileConnecting(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		w.srv.begun = make(chan struct{}) // holds Connect up in its first half
		done := make(chan error, 1)
		go func() { done <- w.srv.Connect(context.Background(), "abox") }()
		synctest.Wait()
		if _, err := w.srv.DropAppliance(w.t.Context(), "abox"); err != nil {
			t.Fatal(err)
		}
		close(w.srv.begun)
		if err := <-done; !errors.Is(err, ErrNotStarted) {
			t.Errorf("%v", err)
		}
		if time.Sleep(time.Minute); len(abox.called()) != 0 {
			t.Error("called")
		}
	})
}

func TestApplianceErrors(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		ctx := w.t.Context()
		if err := w.srv.AddAppliance("abox"); !errors.Is(err, ErrAdded) {
			t.Error(err)
		}
		if err := w.srv.AddAppliance("cbox"); !errors.Is(err, ErrNotRegistered) || err.Error() != "appliance cbox is not registered" {
			t.Error(err)
		}
		for name, err := range map[string]error{"connect": w.srv.Connect(ctx, "cbox"), "disconnect": w.srv.Disconnect(ctx, "cbox")} {
			if !errors.Is(err, ErrNotRegistered) {
				t.Errorf("%s: %v", name, err)
			}
		}
		o.register("dbox", "10.0.0.4", 9697)
		if err := w.srv.Connect(ctx, "dbox"); !errors.Is(err, ErrNotStarted) {
			t.Error(err)
		}
		o.id = nil
		if err := w.srv.Connect(ctx, "abox"); !errors.Is(err, ErrNoIdentity) {
			t.Error(err)
		}
	})
	inWorld(t, Config{}, func(w *world) {
		_, dropped := w.srv.DropAppliance(w.t.Context(), "abox")
		for _, err := range []error{w.srv.AddAppliance("abox"), w.srv.Connect(w.t.Context(), "abox"), w.srv.Disconnect(w.t.Context(), "abox"), dropped} {
			if !errors.Is(err, ErrLegacy) {
				t.Errorf("%v in legacy mode", err)
			}
			if f, ok := errors.AsType[*fault](err); !ok || f.Hint() == "" {
				t.Error("no hint")
			}
		}
	})
}

// A certificate that is not the registered one is no case for twenty tries; a
// link that has stood is made again as soon as it is right.
func TestPeerHasAnotherCertificate(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		abox.id = generate(t, "abox")
		err := w.srv.Connect(w.t.Context(), "abox")
		refused, ok := errors.AsType[*linkid.RefusedError](err)
		if !ok || refused.Reason != linkid.Regenerated || len(abox.called()) != 1 {
			t.Errorf("%v after %d calls", err, len(abox.called()))
		}
	})
}

// The other side does not know this one: it hangs up after the handshake.
func TestPeerDoesNotKnowUs(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		known := abox.peers
		abox.peers = linkid.Only(linkid.PEDServer, "other", abox.id.Cert)
		done := make(chan error, 1)
		go func() { done <- w.srv.Connect(w.t.Context(), "abox") }()
		time.Sleep(30 * time.Second)
		if st := w.linkTo("abox"); !strings.Contains(st.Error, "registered there") {
			t.Errorf("%+v", st)
		}
		abox.mu.Lock()
		abox.peers = known // somebody sees to it
		abox.mu.Unlock()
		w.link(abox)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Connect is done when the other side has the link as well, not before: it says
// HELLO and is then stuck.
func TestLinkStandsForBoth(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		done := make(chan error, 1)
		go func() { done <- w.srv.Connect(w.t.Context(), "abox") }()
		c := <-abox.links
		h := w.host(c)
		close(h.mute)
		h.hello()
		synctest.Wait()
		if st := w.linkTo("abox"); st.State != LinkConnecting || len(done) != 0 {
			t.Errorf("%+v", st)
		}
		time.Sleep(3100 * time.Millisecond)
		if st := w.linkTo("abox"); st.State != LinkWaiting || st.Tries != 1 {
			t.Errorf("%+v", st)
		}
		w.link(abox).send(protocol.Ping{Token: 1})
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A peer that takes the call and then says nothing costs the read timeout.
func TestPeerSaysNothing(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		abox.mu.Lock()
		abox.mute = true
		abox.mu.Unlock()
		begin := time.Now()
		err := w.srv.Connect(w.t.Context(), "abox")
		if failed, ok := errors.AsType[*ConnectError](err); !ok || failed.Tries != 20 || time.Since(begin) > 20*5*time.Second+88*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestRegistrationChanges(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		a, b := w.connect(abox), w.connect(bbox)
		w.take(a, "H1")
		w.srv.Reconfigure(Live{}) // nothing has changed
		time.Sleep(time.Minute)
		if a.ended() || b.ended() {
			t.Fatal("a link ended without a reason")
		}
		// Registered again, with another certificate: the old link is over.
		o.delete("abox")
		again := o.register("abox", "abox.example", 9697)
		w.srv.Reconfigure(Live{})
		if e := want[protocol.Error](a); e.Code != protocol.LinkErrNotAllowed {
			t.Errorf("%v", e)
		}
		a = w.link(again)
		// Registered at another address: called there.
		o.delete("bbox")
		moved := o.register("bbox", "10.0.0.10", 9696)
		moved.id = bbox.id
		w.srv.Reconfigure(Live{})
		want[protocol.Error](b)
		time.Sleep(10 * time.Second)
		if len(moved.called()) == 0 {
			t.Error("not called at its new address")
		}
		// Not registered any more: not called any more.
		again.forget()
		o.delete("abox")
		w.srv.Reconfigure(Live{})
		if e := want[protocol.Error](a); e.Code != protocol.LinkErrNotAllowed {
			t.Errorf("%v", e)
		}
		time.Sleep(time.Hour)
		if st := w.linkTo("abox"); st.State != LinkDisconnected || !strings.Contains(st.Error, "not registered") || len(again.called()) != 0 {
			t.Errorf("%+v, called %d times", st, len(again.called()))
		}
	})
}

// A registration that is deleted in the moment in which a link is being made from
// it ends that link. It fails when a try reads the registrations before it can be
// ended.
func TestDeletedWhileCalled(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		calls := 0
		w.srv.cfg.Peers = func() *linkid.Registry {
			reg := o.reg.Load()
			if calls++; calls == 1 {
				o.delete("abox")
				w.srv.Reconfigure(Live{})
			}
			return reg
		}
		if err := w.srv.Connect(context.Background(), "abox"); !errors.Is(err, ErrNotRegistered) {
			t.Errorf("%v", err)
		}
		if len(abox.links) != 0 {
			t.Error("there is a link to who is not registered")
		}
	})
}

// With AutoConnect nobody has to connect, and it never gives up.
func TestAutoConnect(t *testing.T) {
	inOffice(t, Config{AutoConnect: true}, func(w *world, o *office, abox, bbox *room) {
		w.link(bbox)
		w.link(abox)
		if err := w.srv.Disconnect(w.t.Context(), "abox"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if len(abox.called()) != 1 {
			t.Error("called again after disconnect")
		}
		if _, err := w.srv.DropAppliance(w.t.Context(), "abox"); err != nil {
			t.Error(err)
		}
		abox.forget()
		abox.set(syscall.ECONNREFUSED)
		if err := w.srv.AddAppliance("abox"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if n := len(abox.called()); n < 100 {
			t.Errorf("gave up after %d calls", n)
		}
		// Registered again it is called again.
		o.delete("bbox")
		w.srv.Reconfigure(Live{})
		time.Sleep(time.Minute)
		again := o.register("bbox", "10.0.0.9", 9696)
		w.srv.Reconfigure(Live{})
		w.link(again)
	})
}

func TestPeerShutdown(t *testing.T) {
	inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
		a, b := w.connect(abox), w.connect(bbox)
		w.take(a, "H1")
		o.register("cbox", "10.0.0.3", 9697).set(syscall.ECONNREFUSED)
		if err := w.srv.AddAppliance("cbox"); err != nil {
			t.Fatal(err)
		}
		waiting := make(chan error, 1)
		go func() { waiting <- w.srv.Connect(w.t.Context(), "cbox") }()
		synctest.Wait()
		begin := time.Now()
		w.stop()
		for _, h := range []*host{a, b} {
			if e := want[protocol.Error](h); e.Code != protocol.LinkErrShutdown {
				t.Errorf("%v", e)
			}
		}
		err := <-w.done
		w.done <- err
		if time.Since(begin) > time.Second {
			t.Errorf("stop took %v", time.Since(begin))
		}
		if err := w.srv.Connect(w.t.Context(), "abox"); !errors.Is(err, ErrStopping) {
			t.Error(err)
		}
		if err := <-waiting; !errors.Is(err, ErrStopping) {
			t.Error(err)
		}
	})
}

// What a parked link may not say.
func TestParkedProtocol(t *testing.T) {
	for name, b := range map[string]protocol.Body{
		"probe": protocol.Probe{}, "frame": protocol.PEDFrame{Bytes: []byte{1}}, "release": protocol.Release{}, "hello": protocol.Hello{MinVersion: 1, MaxVersion: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, Config{}, func(w *world, o *office, abox, bbox *room) {
				h := w.connect(abox)
				h.send(b)
				if e := want[protocol.Error](h); e.Code != protocol.LinkErrProtocol {
					t.Errorf("%v", e)
				}
			})
		})
	}
}
