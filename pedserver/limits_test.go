package pedserver

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"openped/protocol"
)

// TestShortHolds: a stranger with four connections who gives the PED back before
// a hold counts by itself does not keep an honest HSM from it.
func TestShortHolds(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		end := time.Now().Add(60 * time.Second)
		var stranger atomic.Int32
		for range 4 {
			go func() {
				for time.Now().Before(end) {
					h := w.dial("10.0.0.6")
					h.send(protocol.Hello{MinVersion: 1, MaxVersion: 1})
					h.send(protocol.Acquire{HSMSerial: "H6"})
					time.Sleep(100 * time.Millisecond)
					<-h.in
					if _, ok := (<-h.in).(protocol.Acquired); ok {
						stranger.Add(1)
						time.Sleep(2600 * time.Millisecond)
					}
					h.c.Close()
					time.Sleep(50 * time.Millisecond)
				}
			}()
		}
		tries, got := 0, 0
		for time.Now().Before(end) {
			tries++
			h := w.dial("10.0.0.1")
			h.hello()
			h.send(protocol.Acquire{HSMSerial: "H1"})
			if _, ok := h.next().(protocol.Acquired); ok {
				got++
			}
			h.c.Close()
			time.Sleep(3 * time.Second)
		}
		time.Sleep(5 * time.Second)
		if got < tries/2 || stranger.Load() > 8 {
			t.Errorf("the honest HSM got the PED %d times in %d tries, the stranger %d times", got, tries, stranger.Load())
		}
	})
}

// TestNoHandOver: who has just had the PED without a proof does not wait for it
// at the head of the queue.
func TestNoHandOver(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", false)
		next := w.dial("10.0.0.1")
		next.hello()
		next.send(protocol.Acquire{HSMSerial: "H1"})
		synctest.Wait()
		h.c.Close()
		want[protocol.Busy](next)
		time.Sleep(time.Second)
		w.acquire("10.0.0.1", true) // it is free
	})
}

func TestUnprovenTimeIsForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(&Config{MaxPending: 1, MaxPerAddress: 1})
		a := netip.MustParseAddr("10.0.0.1")
		for range 20 { // an operator who tries again
			l.unproven(a, 500*time.Millisecond)
			if l.paused(a) {
				t.Fatal("honest failures are punished")
			}
			time.Sleep(10 * time.Second)
		}
		for range 3 {
			l.unproven(a, time.Second)
		}
		if !l.paused(a) {
			t.Error("short holds do not add up")
		}
	})
}

// TestNetworks: an IPv6 network is one stranger, but an address in it that has
// proved itself is itself.
func TestNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(&Config{MaxPending: 16, MaxPerAddress: 4})
		honest := netip.MustParseAddr("2001:db8::1")
		l.proved(honest)
		in := 0
		for i := range 20 {
			if _, ok := l.admit(netip.MustParseAddr(fmt.Sprintf("2001:db8::bad:%x", i))); ok {
				in++
			}
		}
		if in != 4 {
			t.Errorf("one /64 has %d places", in)
		}
		for range 5 {
			l.unproven(netip.MustParseAddr("2001:db8::bad:1"), 10*time.Second)
		}
		if !l.paused(netip.MustParseAddr("2001:db8::bad:2")) {
			t.Error("the next address of the /64 is not paused")
		}
		if l.paused(honest) {
			t.Error("an HSM pays for its neighbour")
		}
		if l.paused(netip.MustParseAddr("2001:db8:0:1::1")) {
			t.Error("another network pays")
		}
		for i := range 20 { // strangers from everywhere
			l.admit(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::1", i+1)))
		}
		if _, ok := l.admit(honest); !ok {
			t.Error("strangers have taken the places of those who have proved themselves")
		}
		if _, ok := l.admit(netip.MustParseAddr("10.0.0.1")); ok {
			t.Error("a stranger got a kept place")
		}
	})
}

// TestQuiet: a flood is a line a minute, with its number.
func TestQuiet(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		for range 300 {
			h := w.dial("10.0.0.6")
			h.c.Close()
			time.Sleep(500 * time.Millisecond)
		}
		if n := strings.Count(w.log.String(), "10.0.0.6"); n < 2 || n > 6 {
			t.Errorf("%d lines", n)
		}
		if !strings.Contains(w.log.String(), "more=119") && !strings.Contains(w.log.String(), "more=120") {
			t.Error("nobody says how many")
		}
		before := strings.Count(w.log.String(), "HSM host has the PED")
		for range 5 { // who proves himself is always told of
			h := w.acquire("10.0.0.1", true)
			h.c.Close()
			time.Sleep(time.Second)
		}
		if n := strings.Count(w.log.String(), "HSM host has the PED") - before; n != 5 {
			t.Errorf("%d holds of an HSM are in the log", n)
		}
	})
}

func TestQuietIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(syncBuffer)
		q := newQuiet(testLog(log))
		a := netip.MustParseAddr("10.0.0.0")
		for range 5 * maxKinds {
			a = a.Next()
			q.say(0, a, "called")
		}
		if len(q.kinds) > maxKinds+1 || strings.Count(log.String(), "\n") > maxKinds+1 {
			t.Errorf("%d remembered, %d lines", len(q.kinds), strings.Count(log.String(), "\n"))
		}
		q.flush(true)
		if !strings.Contains(log.String(), fmt.Sprintf("more=%d", 4*maxKinds-1)) {
			t.Error("the rest is not counted")
		}
		time.Sleep(2 * quietTime)
		q.flush(false)
		q.flush(false)
		if time.Sleep(2 * quietTime); len(q.kinds) > 1 {
			q.flush(false)
		}
		if len(q.kinds) != 0 {
			t.Errorf("%d are never forgotten", len(q.kinds))
		}
	})
}
