package pedserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/certs/linkid"
	"openped/protocol"
)

// inDesk runs f with a server in legacy mode that has an identity and two
// registered HSM hosts, abox and bbox.
func inDesk(t *testing.T, live Live, f func(w *world, o *office, abox, bbox *room)) {
	t.Helper()
	var o *office
	var abox, bbox *room
	inWorldWith(t, func(t *testing.T) Config {
		o = newOffice(t)
		abox, bbox = o.register("abox", "", 0), o.register("bbox", "", 0)
		return Config{Live: live, Identity: func() *linkid.Identity { return o.id }, Peers: func() *linkid.Registry { return o.reg.Load() }}
	}, func(w *world) { f(w, o, abox, bbox) })
}

// dialTLS calls with TLS; the error is that of the handshake.
func (w *world) dialTLS(from string, o *office, r *room) (*host, error) {
	c, err := linkid.Client(w.t.Context(), eager(w.ln.dial(from)), r.id, linkid.Only(linkid.PEDServer, "desk", o.id.Cert), "desk")
	if err != nil {
		return nil, err
	}
	return w.host(c), nil
}

// eagerConn writes without waiting for a reader, as far as a network does.
type eagerConn struct {
	net.Conn
	queue chan []byte
	done  context.CancelFunc
}

func eager(c net.Conn) net.Conn {
	ctx, done := context.WithCancel(context.Background())
	e := &eagerConn{c, make(chan []byte, 16), done}
	go func() {
		for {
			select {
			case b := <-e.queue:
				_, _ = c.Write(b)
			case <-ctx.Done():
				return
			}
		}
	}()
	return e
}

func (e *eagerConn) Write(b []byte) (int, error) { e.queue <- bytes.Clone(b); return len(b), nil }
func (e *eagerConn) Close() error                { e.done(); return e.Conn.Close() }

func (h *host) acquire(serial string) { h.hello(); h.send(protocol.Acquire{HSMSerial: serial}) }

func (h *host) gone(t *testing.T) {
	t.Helper()
	time.Sleep(time.Second)
	if !h.ended() {
		t.Error("still connected")
	}
}

// Calls with and without TLS, by the setting. It fails when meet does not look at
// the setting.
func TestTLSSetting(t *testing.T) {
	for _, c := range []struct {
		tls         TLS
		plain, over bool
	}{{TLSOff, true, false}, {TLSOffered, true, true}, {TLSRequired, false, true}} {
		t.Run(c.tls.String(), func(t *testing.T) {
			inDesk(t, Live{TLS: c.tls}, func(w *world, o *office, abox, bbox *room) {
				plain := w.dial("10.0.0.1")
				plain.send(protocol.Hello{MinVersion: 1, MaxVersion: 1})
				switch b := plain.next().(type) {
				case protocol.Hello:
					if !c.plain {
						t.Error("served without TLS")
					}
				case protocol.Error:
					if c.plain || b.Code != protocol.LinkErrNotAllowed {
						t.Errorf("%v without TLS", b)
					}
				}
				plain.c.Close()
				time.Sleep(time.Second)
				h, err := w.dialTLS("10.0.0.1", o, abox)
				if (err == nil) != c.over {
					t.Fatalf("with TLS: %v", err)
				}
				if !c.over {
					// The last word is in plain, where TLS should have begun.
					refused, ok := err.(*linkid.RefusedError)
					if !ok || refused.Reason != linkid.NotTLS || fmt.Sprintf("%x", refused.Before) != "0a000000000000020009"[:2*len(refused.Before)] {
						t.Errorf("%v", err)
					}
					return
				}
				h.acquire("H1")
				want[protocol.Acquired](h)
				if st := w.srv.Status().Client; st == nil || st.Name != "abox" || !strings.Contains(st.TLS, "TLS 1.3") {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// Required without an identity serves nobody, rather than in plain. It fails when
// meet takes "no identity" for "off" there too.
func TestTLSRequiredWithoutIdentity(t *testing.T) {
	inWorld(t, Config{Live: Live{TLS: TLSRequired}}, func(w *world) {
		h := w.dial("10.0.0.1")
		h.send(protocol.Hello{MinVersion: 1, MaxVersion: 1})
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrNotAllowed {
			t.Errorf("%v", e)
		}
	})
}

// BUSY names the holder to a registered caller, if the holder is one too.
func TestBusyNamesTheHolder(t *testing.T) {
	inDesk(t, Live{TLS: TLSOffered}, func(w *world, o *office, abox, bbox *room) {
		h, err := w.dialTLS("10.0.0.1", o, abox)
		if err != nil {
			t.Fatal(err)
		}
		h.acquire("H1")
		want[protocol.Acquired](h)
		time.Sleep(time.Second)
		known, err := w.dialTLS("10.0.0.2", o, bbox)
		if err != nil {
			t.Fatal(err)
		}
		known.acquire("H2")
		if b := want[protocol.Busy](known); b.Holder != "abox" {
			t.Errorf("%+v", b)
		}
		stranger := w.dial("10.0.0.3")
		stranger.acquire("H3")
		if b := want[protocol.Busy](stranger); b.Holder != "" {
			t.Errorf("a stranger is told %q", b.Holder)
		}
		h.c.Close()
		time.Sleep(time.Second)
		w.acquire("10.0.0.3", true)
		known, err = w.dialTLS("10.0.0.2", o, bbox)
		if err != nil {
			t.Fatal(err)
		}
		known.acquire("H2")
		if b := want[protocol.Busy](known); b.Holder != "" {
			t.Errorf("a holder without TLS has the name %q", b.Holder)
		}
	})
}

// Whoever is refused by certificate sees the same: the connection ends.
func TestTLSRefusals(t *testing.T) {
	inDesk(t, Live{TLS: TLSRequired}, func(w *world, o *office, abox, bbox *room) {
		again := &room{id: generate(t, "abox")}
		nobody := &room{id: generate(t, "nobody")}
		for reason, r := range map[linkid.Reason]*room{linkid.Regenerated: again, linkid.Unregistered: nobody} {
			h, err := w.dialTLS("10.0.0.1", o, r)
			if err != nil {
				t.Errorf("%v: %v", reason, err) // it learns of it later
				continue
			}
			h.send(protocol.Hello{MinVersion: 1, MaxVersion: 1})
			if b := h.next(); b != nil {
				t.Errorf("%v: answered with %+v", reason, b)
			}
			time.Sleep(time.Second)
			c := w.srv.Status().Counters
			if c.TLSRefused[reason.String()] != 1 || !strings.Contains(w.log.String(), reason.String()) {
				t.Errorf("%v: %v, or not in the log", reason, c.TLSRefused)
			}
		}
		if c := w.srv.Status().Counters; c.Refused[refusedTLS] != 2 || c.Connections != 2 {
			t.Errorf("%+v", c)
		}
	})
}

// Only the allowed addresses are answered, all others alike and before anything
// is read of them. It fails when accept does not ask permits.
func TestAllowedClients(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/64")}
	for from, ok := range map[string]bool{
		"10.0.0.1": true, "10.1.255.1": true, "2001:db8::5": true, "10.0.0.2": false, "10.2.0.1": false, "2001:db8:0:1::1": false,
		"::ffff:10.0.0.1": true, "::ffff:10.0.0.2": false,
	} {
		inWorld(t, Config{Live: Live{Allow: allow}}, func(w *world) {
			h := w.dial(from)
			if ok {
				h.hello()
				return
			}
			if e := want[protocol.Error](h); e.Code != protocol.LinkErrNotAllowed {
				t.Errorf("%s: %v", from, e)
			}
			h.gone(t)
			if w.srv.Status().Counters.Refused[refusedAddress] != 1 {
				t.Error("not counted")
			}
		})
	}
}

// More than a few who are turned away are not told why, and nobody waits for
// them.
func TestTurnedAwayAtOnce(t *testing.T) {
	inWorld(t, Config{Live: Live{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}}}, func(w *world) {
		var cs []net.Conn
		for range 3 * maxLeaving {
			cs = append(cs, w.ln.dial("10.0.0.6")) // reads nothing
		}
		begin := time.Now()
		w.acquire("10.0.0.1", true)
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("an allowed client waited for %v", took)
		}
		for _, c := range cs {
			c.Close()
		}
	})
}

func TestReconfigure(t *testing.T) {
	// A longer idle timeout saves the connection that is served.
	inWorld(t, Config{Live: Live{IdleTimeout: time.Minute}}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		time.Sleep(59 * time.Second)
		w.srv.Reconfigure(Live{IdleTimeout: time.Hour})
		time.Sleep(time.Hour - time.Minute)
		if h.ended() {
			t.Fatal("ended too early")
		}
		if st := w.srv.Status(); st.IdleTimeout != 3600 {
			t.Errorf("status says %d", st.IdleTimeout)
		}
		w.srv.Reconfigure(Live{IdleTimeout: 10 * time.Second}) // long past
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrIdle {
			t.Errorf("%v", e)
		}
	})
	// The pings follow.
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		w.srv.Reconfigure(Live{PingInterval: 10 * time.Second, PingTimeout: 30 * time.Second})
		time.Sleep(time.Second)
		h.pings.Store(0)
		time.Sleep(60 * time.Second)
		if n := h.pings.Load(); n < 5 || n > 6 {
			t.Errorf("%d pings in a minute", n)
		}
		close(h.mute)
		time.Sleep(15 * time.Second)
		if h.ended() {
			t.Error("the old ping timeout counts")
		}
		time.Sleep(25 * time.Second)
		if !h.ended() {
			t.Error("no ping timeout counts")
		}
	})
	// Who is not allowed any more has to go, others stay.
	for from, stays := range map[string]bool{"10.0.0.1": true, "10.0.0.2": false} {
		inWorld(t, Config{}, func(w *world) {
			h := w.acquire(from, true)
			w.srv.Reconfigure(Live{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}})
			if stays {
				time.Sleep(time.Minute)
				if h.ended() {
					t.Error("an allowed client is dropped")
				}
				return
			}
			if e := want[protocol.Error](h); e.Code != protocol.LinkErrNotAllowed {
				t.Errorf("%v", e)
			}
		})
	}
}

// The pause between the pieces of a frame reaches the PED that is in use, and one
// that is plugged in later.
func TestWriteDelayReachesThePED(t *testing.T) {
	m := &mute{}
	inWorld(t, Config{Live: Live{PedWriteDelay: 50 * time.Microsecond}}, func(w *world) {
		m.closed = make(chan struct{}, 100)
		w.plug.set(false)
		time.Sleep(time.Second)
		w.plug.other = m
		w.plug.set(true)
		time.Sleep(time.Second)
		if d := time.Duration(m.delay.Load()); d != 50*time.Microsecond {
			t.Errorf("%v at the start", d)
		}
		w.srv.Reconfigure(Live{PedWriteDelay: 2 * time.Millisecond})
		synctest.Wait()
		if d := time.Duration(m.delay.Load()); d != 2*time.Millisecond {
			t.Errorf("%v while in use", d)
		}
	})
}

// A registration that is deleted takes the connection with it. It fails when
// permitted does not check the peer again.
func TestDeletedWhileServed(t *testing.T) {
	for name, still := range map[string]bool{"abox": false, "bbox": true} {
		inDesk(t, Live{TLS: TLSOffered}, func(w *world, o *office, abox, bbox *room) {
			h, err := w.dialTLS("10.0.0.1", o, abox)
			if err != nil {
				t.Fatal(err)
			}
			h.acquire("H1")
			want[protocol.Acquired](h)
			w.plug.now().event(protocol.EvtProven)
			want[protocol.PEDEvent](h)
			o.delete(name)
			w.srv.Reconfigure(Live{TLS: TLSOffered})
			if still {
				time.Sleep(time.Minute)
				if h.ended() {
					t.Error("dropped for another's registration")
				}
				return
			}
			if e := want[protocol.Error](h); e.Code != protocol.LinkErrNotAllowed {
				t.Errorf("%v", e)
			}
		})
	}
}

// Who has called before a reload that takes his permission gets no PED after it.
// It fails when a session judges its caller at the next reload only.
func TestDeletedBeforeItAsked(t *testing.T) {
	for name, reload := range map[string]func(*world, *office){
		"registration": func(w *world, o *office) {
			o.delete("abox")
			w.srv.Reconfigure(Live{TLS: TLSOffered})
		},
		"address": func(w *world, o *office) {
			w.srv.Reconfigure(Live{TLS: TLSOffered, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/32")}})
		},
		"nothing": func(w *world, o *office) { w.srv.Reconfigure(Live{TLS: TLSOffered}) },
	} {
		inDesk(t, Live{TLS: TLSOffered}, func(w *world, o *office, abox, bbox *room) {
			h, err := w.dialTLS("10.0.0.1", o, abox)
			if err != nil {
				t.Fatal(err)
			}
			h.hello()
			synctest.Wait()
			reload(w, o)
			h.send(protocol.Acquire{HSMSerial: "H1"})
			want[protocol.Acquired](h)
			w.plug.now().event(protocol.EvtProven)
			if name == "nothing" {
				want[protocol.PEDEvent](h)
				return
			}
			if e := want[protocol.Error](h); e.Code != protocol.LinkErrNotAllowed {
				t.Errorf("%s: %v", name, e)
			}
		})
	}
}

// PROBE tells what there is, takes nothing and disturbs nobody.
func TestProbe(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		probe := func() protocol.Probed {
			h := w.dial("10.0.0.7")
			h.hello()
			h.send(protocol.Probe{})
			p := want[protocol.Probed](h)
			h.c.Close()
			return p
		}
		if p := probe(); p != (protocol.Probed{Connected: true, Serial: "P1", Firmware: "2.9.0", Software: true, Mode: protocol.PEDModeRemote}) {
			t.Errorf("%+v", p)
		}
		h := w.acquire("10.0.0.1", true)
		if p := probe(); p.Busy != 1 {
			t.Errorf("just taken: %+v", p)
		}
		time.Sleep(100 * time.Second)
		if p := probe(); p.Busy != 100 {
			t.Errorf("%+v", p)
		}
		if h.ended() {
			t.Error("a question ended the connection")
		}
		w.plug.set(false)
		time.Sleep(time.Second)
		if p := probe(); p != (protocol.Probed{}) {
			t.Errorf("without a PED: %+v", p)
		}
		if c := w.srv.Status().Counters; c.Probes != 4 || c.Refused[refusedBusy] != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// F-28: who cannot have the PED is told why, and by whom it is used.
func TestF28DistinctRefusals(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		ask := func() protocol.Body {
			h := w.dial("10.0.0.2")
			h.acquire("H2")
			b := h.next()
			h.c.Close()
			time.Sleep(time.Second)
			return b
		}
		h := w.acquire("10.0.0.1", true)
		time.Sleep(time.Minute)
		if b, ok := ask().(protocol.Busy); !ok || b.Since != 60 {
			t.Errorf("while another HSM has it: %+v", b)
		}
		h.send(protocol.Release{})
		time.Sleep(time.Second)
		w.plug.now().mode.Store(uint32(protocol.PEDModeLocal))
		w.plug.now().event(protocol.EvtState)
		synctest.Wait()
		if e := ask(); e != (protocol.Error{Code: protocol.LinkErrPEDMode}) {
			t.Errorf("while a local operation runs: %+v", e)
		}
		w.plug.set(false)
		time.Sleep(time.Second)
		if e := ask(); e != (protocol.Error{Code: protocol.LinkErrNoPED}) {
			t.Errorf("without a PED: %+v", e)
		}
		c := w.srv.Status().Counters.Refused
		if c[refusedBusy] != 1 || c[refusedPEDMode] != 1 || c[refusedNoPED] != 1 {
			t.Errorf("%v", c)
		}
	})
}

// F-15: when nobody has used the PED for the idle timeout the HSM host is told
// so, at once and by its own reason, and can connect again without anything at
// the workstation.
func TestF15IdleIsSaid(t *testing.T) {
	inWorld(t, Config{Live: Live{IdleTimeout: 30 * time.Minute}}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		begin := time.Now()
		time.Sleep(30*time.Minute + time.Second)
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrIdle || e.Hint() == "" {
			t.Errorf("%v after %v", e, time.Since(begin))
		}
		w.acquire("10.0.0.1", true)
	})
}

// TestFlood: 200 strangers a second, half silent, half garbage, while an HSM is
// served: it does not notice, its address and a new one can call, and what is
// remembered stays small. It fails when Admit lets nobody give way.
func TestFlood(t *testing.T) {
	inWorld(t, Config{Live: Live{IdleTimeout: -1}}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		ctx, stop := context.WithCancel(context.Background())
		flood := make(chan struct{})
		go func() {
			defer close(flood)
			var open []net.Conn
			for i := 0; ctx.Err() == nil; i++ {
				c := w.ln.dial(fmt.Sprintf("10.%d.%d.%d", 1+i/65536, i/256%256, i%256))
				open = append(open, c)
				if i%2 == 1 {
					go func() {
						_ = c.SetDeadline(time.Now().Add(time.Second))
						_, _ = c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
					}()
				}
				time.Sleep(5 * time.Millisecond)
			}
			for _, c := range open {
				c.Close()
			}
		}()
		var worst time.Duration
		for i := range 300 {
			begin := time.Now()
			h.send(protocol.PEDFrame{Bytes: []byte{byte(i)}})
			w.plug.now().frame([]byte{byte(i)})
			want[protocol.PEDFrame](h)
			worst = max(worst, time.Since(begin))
			time.Sleep(100 * time.Millisecond)
		}
		if worst > 0 {
			t.Errorf("a frame took %v", worst)
		}
		got := 0
		for i := range 20 {
			for _, from := range []string{"10.0.0.1", fmt.Sprintf("192.0.2.%d", i)} {
				c := w.dial(from)
				c.send(protocol.Hello{MinVersion: 1, MaxVersion: 1})
				time.Sleep(37 * time.Millisecond)
				if _, ok := c.next().(protocol.Hello); !ok {
					continue
				}
				c.send(protocol.Acquire{HSMSerial: "H2"})
				if _, ok := c.next().(protocol.Busy); ok {
					got++
				}
				c.c.Close()
				time.Sleep(37 * time.Millisecond)
			}
		}
		if got < 36 {
			t.Errorf("%d of 40 honest calls were answered", got)
		}
		stop()
		<-flood
		if h.ended() {
			t.Error("the served HSM host was dropped")
		}
		if n := strings.Count(w.log.String(), "\n"); n > 1000 {
			t.Errorf("%d lines of log", n)
		}
	})
}

// TestHandshakesAreSpacedOut: strangers cannot make the server do TLS all day;
// who has proved himself does not wait for them. It fails when meet does not wait
// for its turn.
func TestHandshakesAreSpacedOut(t *testing.T) {
	inDesk(t, Live{TLS: TLSOffered}, func(w *world, o *office, abox, bbox *room) {
		known := w.acquire("10.0.0.1", true)
		known.c.Close()
		time.Sleep(time.Second)
		shakes := make(chan time.Time, 100)
		for i := range 10 {
			c := w.ln.dial(fmt.Sprintf("10.9.0.%d", i))
			go func() {
				b := make([]byte, 1<<16)
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				// The beginning of a ClientHello that no server can answer: it is read
				// when it is this stranger's turn.
				if _, err := c.Write([]byte{0x16, 3, 1, 0, 200}); err == nil {
					shakes <- time.Now()
				}
				_, _ = c.Read(b)
				c.Close()
			}()
		}
		begin := time.Now()
		h, err := w.dialTLS("10.0.0.1", o, abox)
		if err != nil {
			t.Fatal(err)
		}
		h.acquire("H1")
		want[protocol.Acquired](h)
		if took := time.Since(begin); took > 0 {
			t.Errorf("one who is known waited for %v", took)
		}
		time.Sleep(8 * time.Second)
		var last time.Time
		n := len(shakes)
		for range n {
			at := <-shakes
			if !last.IsZero() && at.Sub(last) < shakeEvery {
				t.Errorf("%v after another", at.Sub(last))
			}
			last = at
		}
		if n != 10 {
			t.Errorf("%d handshakes", n)
		}
	})
}
