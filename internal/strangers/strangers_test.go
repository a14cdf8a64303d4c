package strangers

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestUnprovenTimeIsForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(1, 1)
		a := netip.MustParseAddr("10.0.0.1")
		for range 20 { // an operator who tries again
			l.Unproven(a, 500*time.Millisecond)
			if l.Paused(a) {
				t.Fatal("honest failures are punished")
			}
			time.Sleep(10 * time.Second)
		}
		for range 3 {
			l.Unproven(a, time.Second)
		}
		if !l.Paused(a) {
			t.Error("short holds do not add up")
		}
	})
}

// TestNetworks: an IPv6 network is one stranger, but an address in it that has
// proved itself is itself.
func TestNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(16, 4)
		honest := netip.MustParseAddr("2001:db8::1")
		l.Proved(honest)
		in := 0
		for i := range 20 {
			if _, ok := l.Admit(netip.MustParseAddr(fmt.Sprintf("2001:db8::bad:%x", i))); ok {
				in++
			}
		}
		if in != 4 {
			t.Errorf("one /64 has %d places", in)
		}
		for range 5 {
			l.Unproven(netip.MustParseAddr("2001:db8::bad:1"), 10*time.Second)
		}
		if !l.Paused(netip.MustParseAddr("2001:db8::bad:2")) {
			t.Error("the next address of the /64 is not paused")
		}
		if l.Paused(honest) {
			t.Error("an HSM pays for its neighbour")
		}
		if l.Paused(netip.MustParseAddr("2001:db8:0:1::1")) {
			t.Error("another network pays")
		}
		for i := range 20 { // strangers from everywhere
			l.Admit(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::1", i+1)))
		}
		if _, ok := l.Admit(honest); !ok {
			t.Error("strangers have taken the places of those who have proved themselves")
		}
		if _, ok := l.Admit(netip.MustParseAddr("10.0.0.1")); ok {
			t.Error("a stranger got a kept place")
		}
	})
}

func TestQuietIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		q := NewQuiet(slog.New(slog.NewTextHandler(log, nil)))
		a := netip.MustParseAddr("10.0.0.0")
		for range 5 * maxKinds {
			a = a.Next()
			q.Say(0, a, "called")
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

func TestPauseGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(1, 1)
		a := netip.MustParseAddr("10.0.0.1")
		l.Unproven(a, time.Second)
		if l.Paused(a) {
			t.Error("an honest failure is punished")
		}
		for i, want := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
			l.Unproven(a, 10*time.Second)
			time.Sleep(want*time.Second - time.Millisecond)
			if !l.Paused(a) {
				t.Errorf("pause %d is too short", i)
			}
			time.Sleep(time.Millisecond)
			if l.Paused(a) {
				t.Errorf("pause %d is too long", i)
			}
		}
		l.Proved(a)
		l.Unproven(a, 10*time.Second)
		time.Sleep(2 * time.Second)
		if l.Paused(a) {
			t.Error("a proof does not clear what was before")
		}
	})
}

func TestLimitsForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(2, 1)
		a := netip.MustParseAddr("10.0.0.0")
		for range 3 * maxAddrs {
			a = a.Next()
			leave, ok := l.Admit(a)
			if !ok {
				t.Fatal("refused")
			}
			leave()
		}
		if len(l.addrs) > maxAddrs {
			t.Errorf("%d addresses remembered", len(l.addrs))
		}
	})
}
