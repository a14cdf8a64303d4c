package strangers

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
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
			if _, ok := l.Admit(netip.MustParseAddr(fmt.Sprintf("2001:db8::bad:%x", i)), nil); ok {
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
			l.Admit(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::1", i+1)), nil)
		}
		if _, ok := l.Admit(honest, nil); !ok {
			t.Error("strangers have taken the places of those who have proved themselves")
		}
		if _, ok := l.Admit(netip.MustParseAddr("10.0.0.1"), nil); ok {
			t.Error("a stranger got a kept place")
		}
	})
}

// conn remembers that it was closed.
type conn struct {
	net.Conn
	closed bool
}

func (c *conn) Close() error { c.closed = true; return nil }

// TestSilenceGivesWay: full of silent strangers there is room for one who talks,
// but not for one who comes before anybody has had a chance to talk. It fails when
// giveWay finds nobody, or does not look at patience.
func TestSilenceGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(8, 2) // 2 are kept
		a := netip.MustParseAddr("10.0.0.0")
		var guests []*Guest
		var conns []*conn
		come := func(a netip.Addr) bool {
			c := new(conn)
			g, ok := l.Admit(a, c)
			if ok {
				guests, conns = append(guests, g), append(conns, c)
			}
			return ok
		}
		for range 6 {
			a = a.Next()
			if !come(a) {
				t.Fatal("refused")
			}
			time.Sleep(time.Millisecond)
		}
		if come(netip.MustParseAddr("10.0.1.1")) {
			t.Error("one is closed who had no time to talk")
		}
		guests[0].Heard()
		time.Sleep(patience)
		if !come(netip.MustParseAddr("10.0.1.1")) || conns[0].closed || !conns[1].closed || conns[2].closed {
			t.Error("the oldest of the silent does not give way")
		}
		for _, g := range guests[1:] {
			g.Heard()
		}
		time.Sleep(time.Hour)
		if come(netip.MustParseAddr("10.0.1.2")) {
			t.Error("one who talks had to give way")
		}
		guests[6].Asked()
		time.Sleep(answerTime - time.Millisecond)
		if come(netip.MustParseAddr("10.0.1.2")) {
			t.Error("one who was asked had no time to answer")
		}
		guests[6].Told()
		if !come(netip.MustParseAddr("10.0.1.2")) || !conns[6].closed {
			t.Error("who was told the last word keeps his place")
		}
		for _, g := range guests {
			g.Leave()
		}
		if len(l.guests) != 0 {
			t.Errorf("%d are still counted", len(l.guests))
		}
		conns, guests = nil, nil
		b := netip.MustParseAddr("10.0.2.1")
		for i, want := range []bool{true, true, false} {
			if come(b) != want {
				t.Errorf("connection %d of one address", i)
			}
		}
		time.Sleep(patience)
		if !come(b) || !conns[0].closed || conns[1].closed {
			t.Error("an address keeps itself out by its silence")
		}
	})
}

// TestSilenceOfTheProved: a stranger does not push out one who has proved himself.
func TestSilenceOfTheProved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(4, 4)
		a := netip.MustParseAddr("10.0.0.1")
		l.Proved(a)
		var cs [4]conn
		for i := range cs {
			if _, ok := l.Admit(a, &cs[i]); !ok {
				t.Fatal("refused")
			}
		}
		time.Sleep(time.Hour)
		if _, ok := l.Admit(netip.MustParseAddr("10.0.0.2"), nil); ok || cs[0].closed {
			t.Error("a stranger got the place")
		}
		if _, ok := l.Admit(a, nil); !ok || !cs[0].closed {
			t.Error("his own silence is in his way")
		}
	})
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, begin := NewPace(100*time.Millisecond), time.Now()
		for i := range 4 {
			if !p.Wait(t.Context(), time.Second) || time.Since(begin) != time.Duration(i)*100*time.Millisecond {
				t.Errorf("turn %d after %v", i, time.Since(begin))
			}
		}
		if p.Wait(t.Context(), 99*time.Millisecond) {
			t.Error("waited longer than it may")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if p.Wait(ctx, time.Second) {
			t.Error("the end of the context is not seen")
		}
		time.Sleep(time.Hour)
		begin = time.Now()
		if !p.Wait(t.Context(), 0) || time.Since(begin) != 0 {
			t.Error("an hour saves no turn, but costs none")
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
			g, ok := l.Admit(a, nil)
			if !ok {
				t.Fatal("refused")
			}
			g.Leave()
			g.Leave()
		}
		if len(l.addrs) > maxAddrs {
			t.Errorf("%d addresses remembered", len(l.addrs))
		}
	})
}
