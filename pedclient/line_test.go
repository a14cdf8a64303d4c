package pedclient

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// parked runs a PED-initiated line, after HELLO, against a far end in a bubble.
func parked(t *testing.T, timers Timers, play func(farEnd), then func(*line)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); play(farEnd{t, far}) }()
		to := Target{Host: "10.0.0.9", TLS: true, PEDServer: "lab-7"}
		l := newLine(&greeted{conn: near, where: to.String(), target: to, peer: "lab-7"}, true, newClock(timers), slog.New(slog.DiscardHandler))
		l.start()
		then(l)
		l.end(errStopping)
		far.Close()
		<-done
	})
}

func TestParkedLine(t *testing.T) {
	pings := 0
	parked(t, Timers{}, func(p farEnd) {
		for {
			switch b := p.recv().(type) {
			case nil:
				return
			case protocol.Ping:
				pings++
				p.send(protocol.Pong(b))
			case protocol.Pong, protocol.Error:
			default:
				t.Errorf("%T while parked", b)
			}
		}
	}, func(l *line) {
		time.Sleep(24 * time.Hour) // no idle time-out: nobody has the PED
		if l.Cause() != nil {
			t.Errorf("ended: %v", l.Cause())
		}
	})
	if pings < 24*3600-2 {
		t.Errorf("%d pings in a day", pings)
	}
}

func TestParkedLineIsLost(t *testing.T) {
	parked(t, Timers{}, func(p farEnd) { _, _ = io.Copy(io.Discard, p.c) }, func(l *line) {
		begin := time.Now()
		<-l.done
		if d := time.Since(begin); d != 3*time.Second || !comesBack(l.Cause()) {
			t.Errorf("after %v: %v", d, l.Cause())
		}
		if _, err := l.acquire(context.Background(), "7000001"); err == nil {
			t.Error("a PED over a dead line")
		}
	})
}

// TestParkedHolds: one hold after the other on one line. What crosses RELEASE is
// dropped, and RELEASE is sent before the next ACQUIRE.
func TestParkedHolds(t *testing.T) {
	var order []string
	parked(t, Timers{Idle: time.Minute}, func(p farEnd) {
		p.serve(func(b protocol.Body) {
			switch b.(type) {
			case protocol.Acquire:
				order = append(order, "acquire")
				p.send(protocol.Acquired{Serial: "P1", Firmware: "2.9.0"})
				p.send(protocol.PEDFrame{Bytes: []byte{1}})
			case protocol.Release:
				order = append(order, "release")
				p.send(protocol.PEDFrame{Bytes: []byte{2}}) // was under way
				p.send(protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote})
			case protocol.PEDFrame:
				order = append(order, "frame")
			}
		})
	}, func(l *line) {
		for range 3 {
			h, err := l.acquire(context.Background(), "7000001")
			if err != nil {
				t.Fatal(err)
			}
			if f, err := h.Recv(context.Background()); err != nil || f[0] != 1 {
				t.Errorf("%v %v", f, err)
			}
			if _, err := l.acquire(context.Background(), "7000002"); codeOf(err) != hsmapi.CKR_PED_BUSY {
				t.Errorf("two slots have the PED: %v", err)
			}
			_ = h.Send(context.Background(), []byte{9})
			h.Close()
			h.Close()
			if err := h.Send(context.Background(), []byte{9}); err == nil {
				t.Error("sends after its end")
			}
		}
		h, err := l.acquire(context.Background(), "7000001")
		if err != nil {
			t.Fatal(err)
		}
		if f, err := h.Recv(context.Background()); err != nil || f[0] != 1 {
			t.Errorf("%v %v", f, err)
		}
		begin := time.Now()
		<-h.gone // nobody uses it
		if d := time.Since(begin); d < time.Minute || d > 62*time.Second || !errors.Is(h.Cause().Err, errIdle) {
			t.Errorf("after %v: %v", d, h.Cause())
		}
		if l.Cause() != nil {
			t.Error("the idle time-out of a hold has ended the line")
		}
		time.Sleep(time.Second)
	})
	want := "acquire frame release acquire frame release acquire frame release acquire release"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("%s", got)
	}
}

// TestAbandonedAcquire: who gives up while ACQUIRE is out leaves nothing behind:
// the PED that comes too late is given back before anybody else asks.
func TestAbandonedAcquire(t *testing.T) {
	var order []string
	parked(t, Timers{}, func(p farEnd) {
		first := true
		p.serve(func(b protocol.Body) {
			switch b.(type) {
			case protocol.Acquire:
				order = append(order, "acquire")
				if first {
					first = false
					time.AfterFunc(5*time.Second, func() { p.send(protocol.Acquired{Serial: "P1"}) })
					return
				}
				p.send(protocol.Acquired{Serial: "P1"})
			case protocol.Release:
				order = append(order, "release")
			}
		})
	}, func(l *line) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		if _, err := l.acquire(ctx, "7000001"); codeOf(err) != hsmapi.CKR_FUNCTION_CANCELED {
			t.Errorf("%v", err)
		}
		h, err := l.acquire(context.Background(), "7000001")
		if err != nil {
			t.Error(err)
			return
		}
		h.Close()
	})
	if got := strings.Join(order, " "); got != "acquire release acquire release" {
		t.Errorf("%s", got)
	}
}

// TestMuteAcquire: a PEDserver that answers pings and nothing else.
func TestMuteAcquire(t *testing.T) {
	parked(t, Timers{}, func(p farEnd) { p.serve(func(protocol.Body) {}) }, func(l *line) {
		ctx, cancel := limited(context.Background(), l.clock.get().Dial)
		defer cancel()
		_, err := l.acquire(ctx, "7000001")
		code(t, err, hsmapi.CKR_PED_UNPLUGGED, "the PEDserver at lab-7 (10.0.0.9) does not answer within 10s")
		if l.Cause() == nil {
			t.Error("a line that is good for nothing is kept")
		}
	})
}

// TestMuteAfterCancel: the same, where the first who asked has given up.
func TestMuteAfterCancel(t *testing.T) {
	parked(t, Timers{}, func(p farEnd) { p.serve(func(protocol.Body) {}) }, func(l *line) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		_, _ = l.acquire(ctx, "7000001")
		if l.Cause() != nil {
			t.Fatal("who gives up has ended the line")
		}
		ctx, cancel = limited(context.Background(), l.clock.get().Dial)
		defer cancel()
		_, err := l.acquire(ctx, "7000001")
		code(t, err, hsmapi.CKR_PED_UNPLUGGED, "the PEDserver at lab-7 (10.0.0.9) does not answer within 10s")
		if l.Cause() == nil {
			t.Error("a line that is good for nothing is kept")
		}
	})
}

// TestOutOfPlace: frames that may not be here end the line.
func TestOutOfPlace(t *testing.T) {
	for _, b := range []protocol.Body{protocol.Acquired{}, protocol.Busy{}, protocol.Hello{MinVersion: 1, MaxVersion: 1}, protocol.Probed{}, protocol.Release{}, protocol.Acquire{}} {
		parked(t, Timers{}, func(p farEnd) { p.send(b); p.serve(func(protocol.Body) {}) }, func(l *line) {
			<-l.done
			if l.Cause().Code != hsmapi.CKR_CALLBACK_ERROR {
				t.Errorf("%T: %v", b, l.Cause())
			}
		})
	}
}

func codeOf(err error) hsmapi.Code {
	var e *hsm.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}
