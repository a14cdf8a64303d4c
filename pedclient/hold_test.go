package pedclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// farEnd is a PEDserver's side of a link, played by the test.
type farEnd struct {
	t *testing.T
	c net.Conn
}

func (p farEnd) send(b protocol.Body) {
	_ = p.c.SetWriteDeadline(time.Now().Add(time.Second))
	_ = protocol.WriteBody(p.c, b)
}

func (p farEnd) recv() protocol.Body {
	_ = p.c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b, err := readBody(p.c)
	if err != nil {
		return nil
	}
	return b
}

// greet plays a PEDserver that lends its PED.
func (p farEnd) greet() {
	if h, ok := p.recv().(protocol.Hello); !ok || h.Software == "" {
		p.t.Error("no HELLO")
	}
	p.send(protocol.Hello{MinVersion: 1, MaxVersion: 1, Software: "test"})
	if a, ok := p.recv().(protocol.Acquire); !ok || a.HSMSerial != "7000001" {
		p.t.Errorf("no ACQUIRE for the serial")
	}
	p.send(protocol.Acquired{Serial: "P1", Firmware: "2.9.0", Software: true})
}

// plain is a network without TLS.
func plain(dial Dialer, timers Timers) *network {
	return &network{dial: dial, clock: newClock(timers), secure: &secure{}}
}

// dialing runs dialHold against a far end in a bubble.
func dialing(t *testing.T, timers Timers, play func(farEnd), then func(*hold, error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); play(farEnd{t, far}) }()
		n := plain(func(context.Context, string, string) (net.Conn, error) { return near, nil }, timers)
		l, err := n.dialHold(context.Background(), Target{Host: "ped.example", Port: 1503}, "7000001", slog.New(slog.DiscardHandler))
		then(l, err)
		if l != nil {
			l.Close()
		}
		far.Close()
		<-done
	})
}

func code(t *testing.T, err error, want hsmapi.Code, words string) {
	t.Helper()
	var he *hsm.Error
	if !errors.As(err, &he) || he.Code != want || !strings.Contains(he.Msg, words) || he.Hint == "" && want != hsmapi.CKR_FUNCTION_CANCELED {
		t.Errorf("got %#v, want %v with %q", err, want, words)
	}
}

func TestDialAnswers(t *testing.T) {
	hello := protocol.Hello{MinVersion: 1, MaxVersion: 1}
	answer := func(b protocol.Body) func(farEnd) {
		return func(p farEnd) { p.recv(); p.send(hello); p.recv(); p.send(b); p.recv() }
	}
	for name, c := range map[string]struct {
		play  func(farEnd)
		code  hsmapi.Code
		words string
	}{
		"busy":           {answer(protocol.Busy{Since: 90}), hsmapi.CKR_PED_BUSY, "serves another HSM, for 90 s now (since "},
		"no PED":         {answer(protocol.Error{Code: protocol.LinkErrNoPED}), hsmapi.CKR_PED_UNPLUGGED, "no PED at the PEDserver"},
		"wrong mode":     {answer(protocol.Error{Code: protocol.LinkErrPEDMode}), hsmapi.CKR_PED_REFUSED, "not in the mode"},
		"too slow":       {answer(protocol.Error{Code: protocol.LinkErrTooSlow}), hsmapi.CKR_PED_UNPLUGGED, "prove itself"},
		"stopping":       {answer(protocol.Error{Code: protocol.LinkErrShutdown}), hsmapi.CKR_PED_UNPLUGGED, "stopping"},
		"unknown code":   {answer(protocol.Error{Code: 999}), hsmapi.CKR_PED_UNPLUGGED, "link error 999"},
		"unasked":        {answer(protocol.PEDFrame{Bytes: []byte{1}}), hsmapi.CKR_CALLBACK_ERROR, "protocol"},
		"future version": {func(p farEnd) { p.recv(); p.send(protocol.Hello{MinVersion: 2, MaxVersion: 2}) }, hsmapi.CKR_CALLBACK_ERROR, "no common"},
		"version error":  {func(p farEnd) { p.recv(); p.send(protocol.Error{Code: protocol.LinkErrVersion}) }, hsmapi.CKR_CALLBACK_ERROR, "no common"},
		"no hello":       {func(p farEnd) { p.recv(); p.send(protocol.Ping{}) }, hsmapi.CKR_CALLBACK_ERROR, "protocol"},
		"web server":     {func(p farEnd) { p.recv(); io.WriteString(p.c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, hsmapi.CKR_CALLBACK_ERROR, "no PEDserver"},
		"hangs up":       {func(p farEnd) { p.recv(); p.c.Close() }, hsmapi.CKR_PED_UNPLUGGED, "hung up"},
		"says nothing":   {func(p farEnd) { p.recv(); io.Copy(io.Discard, p.c) }, hsmapi.CKR_PED_UNPLUGGED, "does not answer within 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			dialing(t, Timers{}, c.play, func(l *hold, err error) {
				if l != nil {
					t.Error("a link")
				}
				code(t, err, c.code, c.words)
			})
		})
	}
}

func TestDialErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		words string
	}{
		"refused": {&net.OpError{Err: syscall.ECONNREFUSED}, "nobody listens at h port 9"},
		"name":    {&net.OpError{Err: &net.DNSError{Name: "h"}}, "the name of the PEDserver at h port 9 is not known"},
		"route":   {&net.OpError{Err: syscall.EHOSTUNREACH}, "no way to the PEDserver at h port 9"},
		"timeout": {context.DeadlineExceeded, "no answer from h port 9 within 10s"},
	} {
		_, err := plain(func(context.Context, string, string) (net.Conn, error) { return nil, c.err }, Timers{}).dialHold(t.Context(), Target{Host: "h", Port: 9}, "x", slog.New(slog.DiscardHandler))
		t.Run(name, func(t *testing.T) { code(t, err, hsmapi.CKR_PED_UNPLUGGED, c.words) })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := plain(func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, ctx.Err() }, Timers{}).dialHold(ctx, Target{Host: "h", Port: 9}, "x", slog.New(slog.DiscardHandler))
	code(t, err, hsmapi.CKR_FUNCTION_CANCELED, "cancelled")
}

func TestCancelWhileDialling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		go func() { io.Copy(io.Discard, far) }()
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		_, err := plain(func(context.Context, string, string) (net.Conn, error) { return near, nil }, Timers{}).dialHold(ctx, Target{Host: "h", Port: 9}, "x", slog.New(slog.DiscardHandler))
		code(t, err, hsmapi.CKR_FUNCTION_CANCELED, "cancelled")
		if time.Since(begin) != time.Second {
			t.Errorf("after %v", time.Since(begin))
		}
	})
}

// serve answers pings and calls on for the rest until the link ends.
func (p farEnd) serve(on func(protocol.Body)) {
	for {
		b := p.recv()
		switch b := b.(type) {
		case nil:
			return
		case protocol.Ping:
			p.send(protocol.Pong(b))
		case protocol.Pong:
		default:
			on(b)
		}
	}
}

func TestLinkCarriesFrames(t *testing.T) {
	got := make(chan protocol.Body, 9)
	dialing(t, Timers{}, func(p farEnd) {
		p.greet()
		p.send(protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote, RPKs: []protocol.KeySerial{{1}}})
		p.send(protocol.PEDFrame{Bytes: []byte("down")})
		p.serve(func(b protocol.Body) { got <- b })
	}, func(l *hold, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if l.ped.Serial != "P1" || !l.ped.Software {
			t.Errorf("%+v", l.ped)
		}
		f, err := l.Recv(context.Background())
		if err != nil || string(f) != "down" {
			t.Errorf("%q %v", f, err)
		}
		if st := l.State(); st == nil || st.RPKCount() != 1 {
			t.Errorf("%+v", st)
		}
		if err := l.Send(context.Background(), []byte("up")); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour) // pings keep it
		if l.Cause() != nil {
			t.Errorf("ended: %v", l.Cause())
		}
		l.Close()
		if b := <-got; !bytes.Equal(b.(protocol.PEDFrame).Bytes, []byte("up")) {
			t.Errorf("%v", b)
		}
		if _, ok := (<-got).(protocol.Release); !ok {
			t.Error("no RELEASE")
		}
		if _, err := l.Recv(context.Background()); err == nil {
			t.Error("receives after Close")
		}
		if l.Send(context.Background(), []byte{1}) == nil {
			t.Error("sends after Close")
		}
		if l.Cause().Err != errGivenBack {
			t.Error("closed on purpose, and looks like an accident")
		}
	})
}

func TestLinkEnds(t *testing.T) {
	for name, c := range map[string]struct {
		play  func(farEnd)
		after time.Duration
		code  hsmapi.Code
		words string
	}{
		"silence": {func(p farEnd) { p.greet(); io.Copy(io.Discard, p.c) }, 3 * time.Second, hsmapi.CKR_PED_UNPLUGGED, "nothing was heard from the PEDserver at ped.example port 1503 for 3s"},
		// Nobody takes our pings: the write ends it.
		"frozen":  {func(p farEnd) { p.greet(); time.Sleep(time.Minute) }, 3 * time.Second, hsmapi.CKR_PED_UNPLUGGED, "PEDserver"},
		"cut":     {func(p farEnd) { p.greet(); p.c.Close() }, 0, hsmapi.CKR_PED_UNPLUGGED, "broke"},
		"lost":    {func(p farEnd) { p.greet(); p.send(protocol.Error{Code: protocol.LinkErrPEDLost}) }, 0, hsmapi.CKR_PED_UNPLUGGED, "PED lost"},
		"slow":    {func(p farEnd) { p.greet(); p.send(protocol.Error{Code: protocol.LinkErrTooSlow}) }, 0, hsmapi.CKR_PED_UNPLUGGED, "prove itself"},
		"hello":   {func(p farEnd) { p.greet(); p.send(protocol.Hello{MinVersion: 1, MaxVersion: 1}); p.recv() }, 0, hsmapi.CKR_CALLBACK_ERROR, "protocol"},
		"garbage": {func(p farEnd) { p.greet(); p.c.Write(make([]byte, 8)) }, 0, hsmapi.CKR_PED_UNPLUGGED, "broke"},
		"idle": {func(p farEnd) {
			p.greet()
			time.AfterFunc(1800*time.Second, func() { p.send(protocol.Error{Code: protocol.LinkErrIdle}) })
			p.serve(func(protocol.Body) {})
		}, 1800 * time.Second, hsmapi.CKR_PED_UNPLUGGED, "the remote PED session ended after 1800 s idle"},
	} {
		t.Run(name, func(t *testing.T) {
			dialing(t, Timers{}, c.play, func(l *hold, err error) {
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				_, err = l.Recv(context.Background())
				code(t, err, c.code, c.words)
				if d := time.Since(begin); d != c.after {
					t.Errorf("after %v, want %v", d, c.after)
				}
			})
		})
	}
}

// Our own idle timeout gives the PED back.
func TestOwnIdleTimeout(t *testing.T) {
	released := false
	dialing(t, Timers{Idle: time.Minute}, func(p farEnd) {
		p.greet()
		p.serve(func(b protocol.Body) { _, ok := b.(protocol.Release); released = released || ok })
	}, func(l *hold, err error) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		_ = l.Send(context.Background(), []byte{1})
		begin := time.Now()
		_, err = l.Recv(context.Background())
		code(t, err, hsmapi.CKR_PED_UNPLUGGED, "ended after 60 s idle")
		if d := time.Since(begin); d < time.Minute || d > 62*time.Second {
			t.Errorf("after %v", d)
		}
	})
	if !released {
		t.Error("the PEDserver was not told")
	}
}
