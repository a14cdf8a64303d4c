package usbped_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"openped/protocol"
	"openped/usbped"
	"openped/usbped/usbpedtest"
)

var (
	info  = usbped.Info{Serial: "SP01", Firmware: "2.9.0", Product: "softped", Software: true}
	state = protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote}
)

// firmware is a PED that echoes frames, until its cable is pulled.
func firmware(g *usbped.Gadget) {
	defer g.Close()
	ctx := context.Background()
	for {
		m, err := g.Recv(ctx)
		if err != nil {
			return
		}
		switch m.Kind {
		case usbped.HostFrame:
			_ = g.SendFrame(ctx, m.Frame)
		case usbped.HostOpened:
			_ = g.SendEvent(ctx, state)
		case usbped.HostCancel:
			_ = g.SendEvent(ctx, state)
			_ = g.SendCanceled(ctx, m.Token)
		}
	}
}

// echo sends a frame and waits until it is back.
func echo(ctx context.Context, h *usbped.Host, n int) error {
	want := bytes.Repeat([]byte{byte(n), byte(n >> 8), 3}, n/3+1)[:n]
	if err := h.Send(ctx, want); err != nil {
		return err
	}
	for {
		m, err := h.Recv(ctx)
		switch {
		case err != nil:
			return err
		case m.Event != nil:
		case !bytes.Equal(m.Frame, want):
			return fmt.Errorf("%d bytes came back wrong", n)
		default:
			return nil
		}
	}
}

// talk is all that a host does with a PED, as pedserver does it.
func talk(ctx context.Context, h *usbped.Host, sizes ...int) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		for ctx.Err() == nil {
			if err := h.Ping(ctx); err != nil {
				stop(err)
				return
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}()
	m, err := h.Recv(ctx)
	if err != nil {
		return err
	}
	if m.Event == nil || m.Event.Mode != state.Mode {
		return fmt.Errorf("first came %+v", m)
	}
	for _, n := range sizes {
		if err := echo(ctx, h, n); err != nil {
			return err
		}
	}
	if err := h.Send(ctx, []byte{1}); err != nil {
		return err
	}
	if err := h.Cancel(ctx); err != nil {
		return err
	}
	for _, n := range sizes {
		if err := echo(ctx, h, n); err != nil {
			return fmt.Errorf("after CANCEL: %w", err)
		}
	}
	return nil
}

// Any size of frame over any size of packet, with receivers that get packets,
// transfers and single bytes.
func TestCableSizes(t *testing.T) {
	for _, packet := range []int{64, 512, 1024} {
		for _, whole := range []bool{false, true} {
			for _, single := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					c := usbpedtest.NewCable(packet)
					c.Whole = whole
					if single {
						c.HostFault(1, usbpedtest.Bytes)
						c.GadgetFault(1, usbpedtest.Bytes)
					}
					go firmware(usbped.NewPortGadget(c.Gadget(), info))
					h, err := usbped.NewPortHost(t.Context(), c.Host())
					if err != nil {
						t.Fatal(err)
					}
					if h.Info() != info {
						t.Errorf("%+v", h.Info())
					}
					sizes := []int{1, usbped.MaxSegment - 1, usbped.MaxSegment, usbped.MaxSegment + 1, usbped.MaxPayload}
					for _, edge := range []int{64, 512, 1024, 2048} {
						for n := edge - 17; n <= edge+1; n++ {
							sizes = append(sizes, n)
						}
					}
					if err := talk(t.Context(), h, sizes...); err != nil {
						t.Errorf("packets of %d, whole %v, single bytes %v: %v", packet, whole, single, err)
					}
					h.Close()
					c.Unplug()
				})
			}
		}
	}
}

// TestFaults lets each thing go wrong in each call of either end. Nothing may
// hang or crash, what arrives is right or nothing, and the PED is there again
// for the next host or, if its own end is broken, after it is plugged in again.
func TestFaults(t *testing.T) {
	sizes := []int{1, 48, 5000}
	longest := 0
	for _, side := range []string{"host", "gadget"} {
		for _, fault := range usbpedtest.Faults() {
			for n, done := 1, false; !done; n++ {
				synctest.Test(t, func(t *testing.T) {
					name := fmt.Sprintf("%v in call %d of the %s", fault, n, side)
					begin := time.Now()
					c := usbpedtest.NewCable(512)
					if side == "host" {
						c.HostFault(n, fault)
					} else {
						c.GadgetFault(n, fault)
					}
					g := usbped.NewPortGadget(c.Gadget(), info)
					go firmware(g)
					h, err := usbped.NewPortHost(t.Context(), c.Host())
					if err == nil {
						err = talk(t.Context(), h, sizes...)
						h.Close()
						if err != nil && !errors.Is(err, usbped.ErrUnplugged) && !errors.Is(err, context.Canceled) {
							t.Errorf("%s: %v", name, err)
						}
					} else if usbped.StateOf(err) != usbped.StateMute && usbped.StateOf(err) != usbped.StateNotPED && !errors.Is(err, usbped.ErrUnplugged) {
						t.Errorf("%s: not opened: %v", name, err)
					}
					if d := time.Since(begin); d > 25*time.Second {
						t.Errorf("%s: %v", name, d)
					}
					c.Mend()
					calls, gadget := c.Calls()
					if side == "gadget" {
						calls = gadget
					}
					done = n > calls
					longest = max(longest, n)
					if fault == usbpedtest.Unplug && n < calls/2 && err == nil {
						t.Errorf("%s is not noticed", name)
					}
					// The PED is still good, or can be plugged in again.
					synctest.Wait()
					select {
					case <-g.Done():
						c = usbpedtest.NewCable(512)
						go firmware(usbped.NewPortGadget(c.Gadget(), info))
					default:
					}
					if side == "gadget" && fault == usbpedtest.Hang { // whenever it strikes
						c.Unplug()
						c = usbpedtest.NewCable(512)
						go firmware(usbped.NewPortGadget(c.Gadget(), info))
					}
					if h, err = usbped.NewPortHost(t.Context(), c.Host()); err != nil {
						t.Errorf("%s: next host: %v", name, err)
					} else {
						if err := talk(t.Context(), h, sizes...); err != nil {
							t.Errorf("%s: next host: %v", name, err)
						}
						h.Close()
					}
					c.Unplug()
				})
			}
		}
	}
	if longest < 40 {
		t.Errorf("only %d calls were tried", longest)
	}
}

// A PED that takes 10 ms for a packet is waited for, and its pings answered.
func TestSlowPED(t *testing.T) {
	for _, packet := range []int{64, 512} {
		synctest.Test(t, func(t *testing.T) {
			c := usbpedtest.NewCable(packet)
			c.Pace = 10 * time.Millisecond
			go firmware(usbped.NewPortGadget(c.Gadget(), info))
			h, err := usbped.NewPortHost(t.Context(), c.Host())
			if err != nil {
				t.Fatal(err)
			}
			if err := talk(t.Context(), h, 1, 512, usbped.MaxPayload, 8192, usbped.MaxPayload); err != nil {
				t.Errorf("packets of %d: %v", packet, err)
			}
			h.Close()
			c.Unplug()
		})
	}
}

// A slow PED that an earlier host left in the middle of all is opened in time.
func TestSlowPEDAfterAnotherHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := usbpedtest.NewCable(64)
		c.Pace = 10 * time.Millisecond
		go firmware(usbped.NewPortGadget(c.Gadget(), info))
		h, err := usbped.NewPortHost(t.Context(), c.Host())
		if err != nil {
			t.Fatal(err)
		}
		go h.Send(t.Context(), make([]byte, usbped.MaxPayload))
		if err := h.Send(t.Context(), make([]byte, usbped.MaxPayload)); err != nil {
			t.Error(err)
		}
		time.Sleep(100 * time.Millisecond)
		h.Close() // a frame comes back just now
		if h, err = usbped.NewPortHost(t.Context(), c.Host()); err != nil {
			t.Fatal(err)
		}
		if err := talk(t.Context(), h, 100); err != nil {
			t.Error(err)
		}
		h.Close()
		c.Unplug()
	})
}

// taker is a PED whose firmware takes what it is told to.
type taker struct {
	*usbped.Gadget
	t *testing.T
}

func (g taker) take(k usbped.FromHostKind) usbped.FromHost {
	g.t.Helper()
	m, err := g.Recv(g.t.Context())
	if err != nil || m.Kind != k {
		g.t.Fatalf("%v, %v, want %v", m.Kind, err, k)
	}
	return m
}

// plugged is a host and a PED on a cable, opened.
func plugged(t *testing.T) (*usbpedtest.Cable, *usbped.Host, taker) {
	c := usbpedtest.NewCable(512)
	g := taker{usbped.NewPortGadget(c.Gadget(), info), t}
	h, err := usbped.NewPortHost(t.Context(), c.Host())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(); g.Close() })
	g.take(usbped.HostOpened)
	return c, h, g
}

// Firmware that takes nothing is never overrun: the host waits, in bounded time,
// and can cancel what it has half sent.
func TestFirmwareTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h, g := plugged(t)
		frame := bytes.Repeat([]byte{1}, usbped.MaxPayload)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		sent := 0
		for err := error(nil); err == nil; sent++ {
			if err = h.Send(ctx, frame); err != nil && err != context.DeadlineExceeded {
				t.Fatal(err)
			}
		}
		if sent != 4 { // 256 KiB are credit for three, and a part
			t.Errorf("%d frames sent", sent)
		}
		if err := h.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if err := h.Send(t.Context(), frame); err != usbped.ErrAborted {
			t.Errorf("behind half a frame: %v", err)
		}
		canceled := make(chan error)
		go func() { canceled <- h.Cancel(t.Context()) }()
		synctest.Wait() // none of the frames is there any more
		if err := g.SendCanceled(t.Context(), g.take(usbped.HostCancel).Token); err != nil {
			t.Error(err)
		}
		if err := <-canceled; err != nil {
			t.Error(err)
		}
		if err := h.Send(t.Context(), frame); err != nil {
			t.Error(err)
		}
		g.take(usbped.HostFrame)
		for range 2 {
			if err := h.Send(t.Context(), frame); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		if err := h.Send(t.Context(), frame); !errors.Is(err, usbped.ErrUnplugged) || time.Since(begin) != usbped.WriteTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// A frame that was half sent when its dialogue was cancelled does not go on in
// the next.
func TestCancelDuringSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h, g := plugged(t)
		frame := bytes.Repeat([]byte{1}, usbped.MaxPayload)
		sent := make(chan error)
		go func() {
			for {
				if err := h.Send(t.Context(), frame); err != nil {
					sent <- err
					return
				}
			}
		}()
		synctest.Wait() // until there is no credit
		canceled := make(chan error)
		go func() { canceled <- h.Cancel(t.Context()) }()
		synctest.Wait()
		if err := g.SendCanceled(t.Context(), g.take(usbped.HostCancel).Token); err != nil {
			t.Error(err)
		}
		if err := <-canceled; err != nil {
			t.Error(err)
		}
		if err := <-sent; err != usbped.ErrAborted {
			t.Error(err)
		}
		if err := h.Send(t.Context(), []byte{2}); err != nil {
			t.Error(err)
		}
		if m := g.take(usbped.HostFrame); len(m.Frame) != 1 {
			t.Errorf("%d bytes", len(m.Frame))
		}
	})
}

// What the old dialogue said does not arrive after Cancel, however late the
// lane of events is.
func TestCancelWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h, g := plugged(t)
		ctx := t.Context()
		go func() {
			token := g.take(usbped.HostCancel).Token
			_ = g.SendEvent(ctx, protocol.PEDEvent{Kind: protocol.EvtProven, Mode: protocol.PEDModeRemote})
			_ = g.SendFrame(ctx, []byte("old"))
			time.Sleep(time.Second)
			_ = g.SendEvent(ctx, state)
			_ = g.SendCanceled(ctx, token)
			g.take(usbped.HostFrame)
			_ = g.SendFrame(ctx, []byte("new"))
		}()
		begin := time.Now()
		if err := h.Cancel(ctx); err != nil || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := h.Send(ctx, []byte{1}); err != nil {
			t.Error(err)
		}
		for _, want := range []usbped.Message{{Event: &protocol.PEDEvent{Kind: protocol.EvtProven}}, {Event: &state}, {Frame: []byte("new"), Dialogue: 1}} {
			m, err := h.Recv(ctx)
			if err != nil || string(m.Frame) != string(want.Frame) || m.Dialogue != want.Dialogue || (m.Event == nil) != (want.Event == nil) {
				t.Errorf("%+v, %v, want %+v", m, err, want)
			}
		}
	})
}

func TestCancelUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h, _ := plugged(t)
		begin := time.Now()
		if err := h.Cancel(t.Context()); !errors.Is(err, usbped.ErrUnplugged) || time.Since(begin) != usbped.CancelTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, h, _ := plugged(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Cancel(ctx); err != context.DeadlineExceeded {
			t.Error(err)
		}
		if err := h.Send(t.Context(), []byte{1}); !errors.Is(err, usbped.ErrUnplugged) {
			t.Errorf("after that: %v", err)
		}
	})
}

// A host that was killed leaves half a frame, and a PED that has something to
// say to it. Neither reaches the next host.
func TestHostKilled(t *testing.T) {
	for _, packets := range []int{0, 1, 3, 8, 9} {
		synctest.Test(t, func(t *testing.T) {
			c := usbpedtest.NewCable(512)
			g := taker{usbped.NewPortGadget(c.Gadget(), info), t}
			defer g.Close()
			port := c.Host()
			h, err := usbped.NewPortHost(t.Context(), port)
			if err != nil {
				t.Fatal(err)
			}
			g.take(usbped.HostOpened)
			ctx := t.Context()
			if err := g.SendEvent(ctx, state); err != nil {
				t.Error(err)
			}
			if _, err := h.Recv(ctx); err != nil {
				t.Error(err)
			}
			// A host that is killed sends no more packets.
			h.SetWriteDelay(10 * time.Millisecond)
			go h.Send(ctx, bytes.Repeat([]byte{1}, usbped.MaxPayload))
			synctest.Wait()
			time.Sleep(time.Duration(packets) * 10 * time.Millisecond)
			h.Close()
			// Its PED does not know, and goes on.
			go g.SendFrame(ctx, bytes.Repeat([]byte{2}, usbped.MaxPayload))
			for range 3 {
				_ = g.SendEvent(ctx, protocol.PEDEvent{Kind: protocol.EvtProven, Mode: protocol.PEDModeLocal})
			}
			time.Sleep(time.Second)
			if h, err = usbped.NewPortHost(ctx, c.Host()); err != nil {
				t.Fatalf("after %d packets: %v", packets, err)
			}
			defer h.Close()
			g.take(usbped.HostGone)
			g.take(usbped.HostOpened)
			if err := g.SendEvent(ctx, state); err != nil {
				t.Error(err)
			}
			if m, err := h.Recv(ctx); err != nil || m.Event == nil || m.Event.Kind != protocol.EvtState {
				t.Errorf("%+v, %v", m, err)
			}
			if err := h.Send(ctx, []byte{3}); err != nil {
				t.Error(err)
			}
			if m := g.take(usbped.HostFrame); len(m.Frame) != 1 {
				t.Errorf("the next host's frame has %d bytes", len(m.Frame))
			}
		})
	}
}

// A host on a cable that pinged and is silent for 10 s is gone; one that takes
// nothing for as long is, too.
func TestHostGoneSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h, g := plugged(t)
		time.Sleep(time.Hour) // nothing is known of a host that never pinged
		if err := h.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		g.take(usbped.HostGone)
		if time.Since(begin) != usbped.HostTimeout {
			t.Errorf("after %v", time.Since(begin))
		}
		if err := g.SendFrame(t.Context(), []byte{1}); err != usbped.ErrNotOpen {
			t.Error(err)
		}
		// If it is there after all, it learns that it has to begin anew.
		if _, err := h.Recv(t.Context()); !errors.Is(err, usbped.ErrUnplugged) {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, h, g := plugged(t)
		h.Close()
		begin := time.Now()
		if err := g.SendFrame(t.Context(), []byte{1}); err != nil && err != usbped.ErrNotOpen {
			t.Error(err)
		}
		g.take(usbped.HostGone)
		if time.Since(begin) != usbped.WriteTimeout {
			t.Errorf("after %v", time.Since(begin))
		}
		next, err := usbped.NewPortHost(t.Context(), c.Host())
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		g.take(usbped.HostOpened)
	})
}

// Events that nobody takes end the host, not the PED.
func TestEventsNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h, g := plugged(t)
		h.Close()
		var err error
		for err == nil {
			err = g.SendEvent(t.Context(), state)
		}
		if err != usbped.ErrOverrun {
			t.Error(err)
		}
		g.take(usbped.HostGone)
		next, err := usbped.NewPortHost(t.Context(), c.Host())
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		g.take(usbped.HostOpened)
		if err := g.SendEvent(t.Context(), state); err != nil {
			t.Error(err)
		}
		if m, err := next.Recv(t.Context()); err != nil || m.Event == nil {
			t.Error(m, err)
		}
	})
}
