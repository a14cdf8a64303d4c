package usbped

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"openped/protocol"
)

var stateEvent = protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote}

// open connects the real host and the real gadget by a stream, and takes
// HostOpened.
func open(t *testing.T) (*Host, *Gadget) {
	t.Helper()
	h, g := connect(t)
	take(t, g, HostOpened)
	return h, g
}

func connect(t testing.TB) (*Host, *Gadget) {
	t.Helper()
	a, b := net.Pipe()
	g := NewGadget(b, testInfo)
	h, err := NewHost(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(); g.Close() })
	return h, g
}

// take is the next thing from the host, of this kind.
func take(t *testing.T, g *Gadget, k FromHostKind) FromHost {
	t.Helper()
	m, err := g.Recv(t.Context())
	if err != nil || m.Kind != k {
		t.Fatalf("%v, %v, want %v", m.Kind, err, k)
	}
	return m
}

// peer is one end of a stream, played by hand.
type peer struct {
	t     *testing.T
	c     net.Conn
	in    *lane
	tx    uint32
	event uint32
}

func newPeer(t *testing.T, c net.Conn) *peer {
	p := &peer{t: t, c: c, in: bulkLane(c.Read)}
	p.in.events = true
	t.Cleanup(func() { c.Close() })
	return p
}

// send sends a frame with the next number.
func (p *peer) send(typ frameType, payload []byte) {
	n := &p.tx
	if typ == typeEvent {
		n = &p.event
	}
	p.c.Write(appendFrame(nil, rawFrame{typ: typ, seq: *n, payload: payload}))
	*n++
}

// next is the next frame, of this type.
func (p *peer) next(typ frameType) rawFrame {
	p.t.Helper()
	f, err := p.in.next()
	if err != nil || f.typ != typ {
		p.t.Errorf("%v, %v, want %v", f.typ, err, typ)
	}
	return f
}

func u32(n ...uint32) (b []byte) {
	for _, n := range n {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

var testPayload = infoPayload{1, false, MaxSegment, 1 << 16, testInfo}

// answer plays the opening of a PED.
func (p *peer) answer(info infoPayload) {
	if p.in.seekReset() != nil {
		return
	}
	token := resetToken(p.next(typeReset).payload)
	p.event = token.events()
	p.send(typeReset, token[:])
	p.next(typeInfoRequest)
	p.send(typeInfo, info.encode())
}

// rawPED is a host with a PED that is played by hand.
func rawPED(t *testing.T, info infoPayload) (*Host, *peer) {
	t.Helper()
	a, b := net.Pipe()
	p := newPeer(t, b)
	go p.answer(info)
	h, err := NewHost(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	synctest.Wait()
	return h, p
}

var testToken = resetToken{0x10, 0, 0, 0, 0x20, 0, 0, 0}

// call plays the opening of a host.
func (p *peer) call() {
	p.t.Helper()
	p.c.Write(zeros[:])
	p.tx = 0
	p.send(typeReset, testToken[:])
	p.in.event = testToken.events()
	if f := p.next(typeReset); !bytes.Equal(f.payload, testToken[:]) {
		p.t.Errorf("%x", f.payload)
	}
	p.send(typeInfoRequest, infoRequest{1, 1, MaxSegment}.encode())
	p.next(typeInfo)
}

// rawHost is a gadget with a host that is played by hand, up to INFO.
func rawHost(t *testing.T) (*Gadget, *peer) {
	t.Helper()
	a, b := net.Pipe()
	g := NewGadget(b, testInfo)
	t.Cleanup(func() { g.Close() })
	p := newPeer(t, a)
	p.call()
	take(t, g, HostOpened)
	return g, p
}

func TestTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t)
		ctx := t.Context()
		if h.Info() != testInfo {
			t.Errorf("%+v", h.Info())
		}
		if err := g.SendEvent(ctx, stateEvent); err != nil {
			t.Fatal(err)
		}
		if m, err := h.Recv(ctx); err != nil || m.Frame != nil || m.Event == nil || m.Event.Mode != protocol.PEDModeRemote {
			t.Fatal(m, err)
		}
		for _, n := range []int{1, 48, 256, 4095, 4096, 4097, 8192, MaxPayload} {
			frame := bytes.Repeat([]byte{byte(n)}, n)
			if err := h.Send(ctx, frame); err != nil {
				t.Fatal(err)
			}
			m := take(t, g, HostFrame)
			if !bytes.Equal(m.Frame, frame) {
				t.Fatal(n)
			}
			if err := g.SendFrame(ctx, m.Frame); err != nil {
				t.Fatal(err)
			}
			if m, err := h.Recv(ctx); err != nil || m.Event != nil || !bytes.Equal(m.Frame, frame) {
				t.Fatal(m, err)
			}
		}
		for range 3 {
			if err := h.Ping(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range []int{0, MaxPayload + 1} {
			if err := h.Send(ctx, make([]byte, n)); err != ErrTooLong {
				t.Errorf("host sends %d: %v", n, err)
			}
			if err := g.SendFrame(ctx, make([]byte, n)); err != ErrTooLong {
				t.Errorf("gadget sends %d: %v", n, err)
			}
		}
	})
}

// What was sent before the end is delivered, then the end.
func TestEndAfterMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t)
		ctx := t.Context()
		for i := range byte(3) {
			if err := g.SendFrame(ctx, []byte{i}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		g.Close()
		synctest.Wait()
		for i := range byte(3) {
			if m, err := h.Recv(ctx); err != nil || m.Frame[0] != i {
				t.Fatal(m, err)
			}
		}
		_, err := h.Recv(ctx)
		for what, err := range map[string]error{"recv": err, "send": h.Send(ctx, []byte{1}), "cancel": h.Cancel(ctx), "ping": h.Ping(ctx)} {
			if !errors.Is(err, ErrUnplugged) || Hint(err) == "" {
				t.Errorf("%s after the end: %v", what, err)
			}
		}
		h.Close()
		if err := h.Send(ctx, []byte{1}); !errors.Is(err, ErrUnplugged) { // the first cause stays
			t.Error(err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t)
		waiting := make(chan error, 2)
		go func() { _, err := h.Recv(t.Context()); waiting <- err }()
		go func() { _, err := g.Recv(t.Context()); waiting <- err }()
		synctest.Wait()
		h.Close()
		h.Close()
		var got [2]error
		got[0], got[1] = <-waiting, <-waiting
		if errors.Is(got[0], ErrUnplugged) {
			got[0], got[1] = got[1], got[0]
		}
		if got[0] != ErrClosed || !errors.Is(got[1], ErrUnplugged) {
			t.Error(got)
		}
		<-g.Done()
		for what, err := range map[string]error{"send": h.Send(t.Context(), []byte{1}), "ping": h.Ping(t.Context())} {
			if err != ErrClosed {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// A stream with a hole, a double or a swap in it is dead on both ends.
func TestSequence(t *testing.T) {
	for name, seqs := range map[string][]uint32{"lost": {2, 4}, "doubled": {2, 2}, "swapped": {3, 2}, "first lost": {3}, "restarted": {2, 0}} {
		synctest.Test(t, func(t *testing.T) {
			h, ped := rawPED(t, testPayload)
			g, host := rawHost(t)
			for _, seq := range seqs {
				b := appendFrame(nil, rawFrame{typ: typeFrame, seq: seq, payload: []byte{1}})
				ped.c.Write(b)
				host.c.Write(b)
			}
			var err, gerr error
			for err == nil {
				_, err = h.Recv(t.Context())
			}
			for gerr == nil {
				_, gerr = g.Recv(t.Context())
			}
			for _, err := range []error{err, gerr} {
				if !errors.Is(err, ErrCorrupt) || !errors.Is(err, ErrUnplugged) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// Events have a count of their own.
func TestEventSequence(t *testing.T) {
	for name, skip := range map[string]uint32{"lost": 1, "doubled": ^uint32(0)} {
		synctest.Test(t, func(t *testing.T) {
			h, ped := rawPED(t, testPayload)
			ped.send(typeEvent, stateEvent.Encode())
			ped.send(typeFrame, []byte{1})
			for range 2 {
				if _, err := h.Recv(t.Context()); err != nil {
					t.Error(err)
				}
			}
			ped.event += skip
			ped.send(typeEvent, stateEvent.Encode())
			if _, err := h.Recv(t.Context()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestUnexpectedFrames(t *testing.T) {
	segment := bytes.Repeat([]byte{1}, MaxSegment)
	for name, frames := range map[string][]rawFrame{
		"info":              {{typ: typeInfo, payload: testPayload.encode()}},
		"info request":      {{typ: typeInfoRequest, payload: infoRequest{1, 1, MaxSegment}.encode()}},
		"ping":              {{typ: typePing, payload: u32(1)}},
		"cancel":            {{typ: typeCancel, payload: u32(1)}},
		"canceled, unasked": {{typ: typeCanceled, payload: u32(1, testToken.events())}},
		"bad event":         {{typ: typeEvent, payload: []byte{9, 1, 0, 0}}},
		"credit of 0":       {{typ: typeCredit, payload: u32(0)}},
		"credit unused":     {{typ: typeCredit, payload: u32(1)}},
		"short segment":     {{typ: typeFrame, more: true, payload: []byte{1}}},
		"endless frame": func() (all []rawFrame) {
			for range MaxPayload/MaxSegment + 1 {
				all = append(all, rawFrame{typ: typeFrame, more: true, payload: segment})
			}
			return all
		}(),
	} {
		synctest.Test(t, func(t *testing.T) {
			h, ped := rawPED(t, testPayload)
			go func() {
				for _, f := range frames {
					f.seq = ped.tx
					if f.typ == typeEvent {
						f.seq = ped.event
					}
					ped.tx++
					ped.c.Write(appendFrame(nil, f))
				}
			}()
			if _, err := h.Recv(t.Context()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("from a PED: %s: %v", name, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h, ped := rawPED(t, testPayload)
		ped.tx = 0
		ped.send(typeReset, make([]byte, 8))
		if _, err := h.Recv(t.Context()); !errors.Is(err, errLost) {
			t.Errorf("PED that lost the thread: %v", err)
		}
	})
	for name, frames := range map[string][]rawFrame{
		"info":                              {{typ: typeInfo, payload: testPayload.encode()}},
		"info request":                      {{typ: typeInfoRequest, payload: infoRequest{1, 1, MaxSegment}.encode()}},
		"pong":                              {{typ: typePong, payload: u32(1, 1)}},
		"event":                             {{typ: typeEvent, payload: stateEvent.Encode()}},
		"credit":                            {{typ: typeCredit, payload: u32(1)}},
		"canceled":                          {{typ: typeCanceled, payload: u32(1, 1)}},
		"short segment":                     {{typ: typeFrame, more: true, payload: []byte{1}}},
		"two cancels":                       {{typ: typeCancel, payload: u32(1)}, {typ: typeCancel, payload: u32(2)}},
		"frame between CANCEL and CANCELED": {{typ: typeCancel, payload: u32(1)}, {typ: typeFrame, payload: []byte{1}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, host := rawHost(t)
			for _, f := range frames {
				f.seq = host.tx
				host.tx++
				host.c.Write(appendFrame(nil, f))
			}
			var err error
			for err == nil {
				_, err = g.Recv(t.Context())
			}
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("from a host: %s: %v", name, err)
			}
		})
	}
}

// Before RESET a gadget listens to nothing; between RESET and INFO-REQUEST to
// nothing but that.
func TestBeforeOpening(t *testing.T) {
	for name, f := range map[string]rawFrame{
		"frame":                {typ: typeFrame, seq: 1, payload: []byte{1}},
		"ping":                 {typ: typePing, seq: 1, payload: u32(1)},
		"cancel":               {typ: typeCancel, seq: 1, payload: u32(1)},
		"wrong number":         {typ: typeInfoRequest, seq: 2, payload: infoRequest{1, 1, MaxSegment}.encode()},
		"versions upside down": {typ: typeInfoRequest, seq: 1, payload: infoRequest{2, 1, MaxSegment}.encode()},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			host := newPeer(t, a)
			g := NewGadget(b, testInfo)
			defer g.Close()
			host.send(typePing, u32(1))
			host.tx = 0
			host.send(typeReset, testToken[:])
			host.next(typeReset)
			host.c.Write(appendFrame(nil, f))
			if _, err := g.Recv(t.Context()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("before the opening: %s: %v", name, err)
			}
		})
	}
}

// A PED that says more than its host's owner takes is out of its mind.
func TestOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t)
		var err error
		for err == nil {
			err = g.SendFrame(t.Context(), []byte{1})
			synctest.Wait()
		}
		if err := h.c.err(); !errors.Is(err, ErrOverrun) {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g, _ := rawHost(t) // that reads nothing
		var err error
		for err == nil {
			err = g.SendEvent(t.Context(), stateEvent)
		}
		if err != ErrOverrun {
			t.Error(err)
		}
	})
}

func TestPingUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ped := rawPED(t, testPayload)
		go ped.next(typePing)
		start := time.Now()
		err := h.Ping(t.Context())
		if !errors.Is(err, ErrUnplugged) || time.Since(start) != PongTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if _, err := h.Recv(t.Context()); !errors.Is(err, ErrUnplugged) {
			t.Error(err)
		}
	})
}

// The late answer to a ping that was given up is not the answer to the next.
func TestPingLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ped := rawPED(t, testPayload)
		pings := make(chan rawFrame, 2)
		go func() { pings <- ped.next(typePing); pings <- ped.next(typePing) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Ping(ctx); err != context.DeadlineExceeded {
			t.Fatal(err)
		}
		ped.send(typePong, append((<-pings).payload, 0, 0, 0, 0))
		synctest.Wait()
		if err := h.Ping(t.Context()); !errors.Is(err, ErrUnplugged) {
			t.Errorf("answered by the answer to another ping: %v", err)
		}
	})
}

// The answer to a ping that was given up does not stand in the way of the answer
// to the next one, which may come before that is waited for.
func TestPongAfterPong(t *testing.T) {
	h, _ := connect(t)
	for token := range uint32(3) {
		if err := h.take(rawFrame{typ: typePong, payload: u32(token, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if p := <-h.pongs; p.token != 2 {
		t.Errorf("the pong that is kept is number %d, want the last", p.token)
	}
}

func TestSendBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := rawPED(t, testPayload)
		start := time.Now()
		if err := h.Send(t.Context(), make([]byte, 100)); !errors.Is(err, ErrUnplugged) || time.Since(start) != WriteTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h, _ := rawPED(t, testPayload)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		second := make(chan error)
		go func() { second <- h.Send(ctx, []byte{1}) }()
		if err := h.Send(ctx, []byte{1}); err != context.DeadlineExceeded && !errors.Is(err, ErrUnplugged) {
			t.Error(err)
		}
		if err := <-second; err != context.DeadlineExceeded && !errors.Is(err, ErrUnplugged) {
			t.Error(err)
		}
		if err := h.Send(t.Context(), []byte{1}); !errors.Is(err, ErrUnplugged) {
			t.Errorf("after half a frame: %v", err)
		}
	})
}

// A context that is over before anything is sent leaves the device as it is.
func TestContextOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		_, recv := h.Recv(over)
		for what, err := range map[string]error{"send": h.Send(over, []byte{1}), "recv": recv, "cancel": h.Cancel(over), "ping": h.Ping(over),
			"gadget": g.SendFrame(over, []byte{1}), "event": g.SendEvent(over, stateEvent)} {
			if err != context.Canceled {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := h.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
