package usbped

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"openped/protocol"
)

var stateEvent = protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote}

// open connects the real host and the real gadget, and takes HostOpened.
func open(t *testing.T) (*Host, *Gadget) {
	t.Helper()
	a, b := net.Pipe()
	g := NewGadget(b, testInfo)
	h, err := NewHost(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(); g.Close() })
	if m, err := g.Recv(t.Context()); err != nil || m.Kind != HostOpened {
		t.Fatal(m, err)
	}
	return h, g
}

// rawPED plays the gadget by hand: it opens and returns the stream.
func rawPED(t *testing.T) (*Host, net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	go func() {
		for range 2 {
			if _, err := readFrame(b); err != nil {
				return
			}
		}
	}()
	go b.Write(append(appendFrame(rawFrame{typeReset, 0, nil}), appendFrame(rawFrame{typeInfo, 1, infoPayload{1, false, testInfo}.encode()})...))
	h, err := NewHost(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(); b.Close() })
	return h, b
}

// rawHost plays the host by hand, up to the gadget's INFO.
func rawHost(t *testing.T) (*Gadget, net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	g := NewGadget(b, testInfo)
	t.Cleanup(func() { g.Close(); a.Close() })
	rawOpen(t, a)
	if m, err := g.Recv(t.Context()); err != nil || m.Kind != HostOpened {
		t.Fatal(m, err)
	}
	return g, a
}

func rawOpen(t *testing.T, a net.Conn) {
	t.Helper()
	for _, x := range []struct {
		send rawFrame
		want frameType
	}{{rawFrame{typeReset, 0, nil}, typeReset}, {rawFrame{typeInfoRequest, 1, []byte{1, 1}}, typeInfo}} {
		if _, err := a.Write(appendFrame(x.send)); err != nil {
			t.Fatal(err)
		}
		if f, err := readFrame(a); err != nil || f.typ != x.want || f.seq != x.send.seq {
			t.Fatalf("%+v, %v, want %v", f, err, x.want)
		}
	}
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
		for _, n := range []int{1, 256, MaxPayload} {
			frame := bytes.Repeat([]byte{byte(n)}, n)
			if err := h.Send(ctx, frame); err != nil {
				t.Fatal(err)
			}
			m, err := g.Recv(ctx)
			if err != nil || m.Kind != HostFrame || !bytes.Equal(m.Frame, frame) {
				t.Fatal(m.Kind, err)
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
		if err := h.Cancel(ctx); err != nil {
			t.Fatal(err)
		}
		if m, err := g.Recv(ctx); err != nil || m.Kind != HostCancel {
			t.Fatal(m, err)
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
			h, b := rawPED(t)
			g, a := rawHost(t)
			for _, seq := range seqs {
				b.Write(appendFrame(rawFrame{typeFrame, seq, []byte{1}}))
				a.Write(appendFrame(rawFrame{typeFrame, seq, []byte{1}}))
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

func TestUnexpectedFrames(t *testing.T) {
	for _, f := range []rawFrame{
		{typeInfo, 2, infoPayload{1, false, testInfo}.encode()}, {typeInfoRequest, 2, []byte{1, 1}}, {typePing, 2, make([]byte, 4)},
		{typeCancel, 2, nil}, {typeReset, 0, nil}, {typeEvent, 2, []byte{9, 1, 0, 0}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, b := rawPED(t)
			b.Write(appendFrame(f))
			if _, err := h.Recv(t.Context()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("from a PED: %v: %v", f.typ, err)
			}
		})
	}
	for _, f := range []rawFrame{
		{typeInfo, 2, infoPayload{1, false, testInfo}.encode()}, {typeInfoRequest, 2, []byte{1, 1}}, {typePong, 2, make([]byte, 4)},
		{typeEvent, 2, stateEvent.Encode()}, {typeReset, 2, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, a := rawHost(t)
			a.Write(appendFrame(f))
			if _, err := g.Recv(t.Context()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("from a host: %v: %v", f.typ, err)
			}
		})
	}
	for _, f := range []rawFrame{{typeFrame, 0, []byte{1}}, {typePing, 0, make([]byte, 4)}, {typeInfoRequest, 0, []byte{1, 1}}, {typeInfoRequest, 0, []byte{0, 1}}} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			defer a.Close()
			g := NewGadget(b, testInfo)
			defer g.Close()
			a.Write(appendFrame(f))
			if _, err := g.Recv(t.Context()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("before the opening: %v: %v", f.typ, err)
			}
		})
	}
}

func TestOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t)
		var herr, gerr error
		for herr == nil || gerr == nil {
			if herr == nil {
				herr = h.Send(t.Context(), []byte{1})
			}
			if gerr == nil {
				gerr = g.SendFrame(t.Context(), []byte{1})
			}
			synctest.Wait()
		}
		if err := h.c.err(); !errors.Is(err, ErrOverrun) && !errors.Is(g.c.err(), ErrOverrun) {
			t.Error(err)
		}
	})
}

func TestPingUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := rawPED(t)
		go io.Copy(io.Discard, b)
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
		h, b := rawPED(t)
		var pings []rawFrame
		go func() {
			for {
				f, err := readFrame(b)
				if err != nil {
					return
				}
				pings = append(pings, f)
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Ping(ctx); err != context.DeadlineExceeded {
			t.Fatal(err)
		}
		synctest.Wait()
		b.Write(appendFrame(rawFrame{typePong, 2, pings[0].payload}))
		synctest.Wait()
		if err := h.Ping(t.Context()); !errors.Is(err, ErrUnplugged) {
			t.Errorf("answered by the answer to another ping: %v", err)
		}
	})
}

func TestSendBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := rawPED(t)
		start := time.Now()
		if err := h.Send(t.Context(), make([]byte, 100)); !errors.Is(err, ErrUnplugged) || time.Since(start) != WriteTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h, _ := rawPED(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		second := make(chan error)
		go func() { second <- h.Send(ctx, []byte{1}) }()
		if err := h.Send(ctx, []byte{1}); err != context.DeadlineExceeded {
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
		for what, err := range map[string]error{"send": h.Send(over, []byte{1}), "recv": recv, "cancel": h.Cancel(over), "ping": h.Ping(over), "gadget": g.SendFrame(over, []byte{1})} {
			if err != context.Canceled {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := h.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
