package pedserver

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"openped/protocol"
	"openped/usbped"
)

func TestRelay(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		up, down := bytes.Repeat([]byte("UP"), 20), bytes.Repeat([]byte("DN"), protocol.MaxPEDFrame/2)
		h.send(protocol.PEDFrame{Bytes: up})
		if got := w.plug.now().next(t, usbped.HostFrame); !bytes.Equal(got, up) {
			t.Errorf("PED got %d bytes", len(got))
		}
		w.plug.now().frame(down)
		if got := want[protocol.PEDFrame](h); !bytes.Equal(got.Bytes, down) {
			t.Errorf("host got %d bytes", len(got.Bytes))
		}
		st := w.srv.Status()
		if st.Client == nil || !st.Client.Proven || st.Client.HSM != "H1" || !st.PED.Connected || len(st.PED.RPKs) != 1 {
			t.Errorf("%+v %+v", st, st.Client)
		}
		h.send(protocol.Release{})
		w.plug.now().next(t, usbped.HostCancel)
		synctest.Wait()
		time.Sleep(time.Second)
		if !h.ended() || w.srv.Status().Client != nil {
			t.Error("still there after RELEASE")
		}
		w.acquire("10.0.0.2", false)
		if log := w.log.String(); strings.Contains(log, "UPUP") || strings.Contains(log, "DNDN") || strings.Contains(log, "5550") {
			t.Error("frame content in the log")
		}
	})
}

func TestBusy(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		time.Sleep(90 * time.Second)
		h2 := w.dial("10.0.0.2")
		h2.hello()
		h2.send(protocol.Acquire{HSMSerial: "H2"})
		if b := want[protocol.Busy](h2); b.Since != 90 {
			t.Errorf("busy since %d s, want 90", b.Since)
		}
		time.Sleep(time.Second)
		if !h2.ended() || h.ended() {
			t.Error("the wrong connection ended")
		}
		h.c.Close()
		time.Sleep(time.Second)
		w.acquire("10.0.0.2", true)
	})
}

// TestBackToBack: who releases the PED, or dies, may have it again at once.
func TestBackToBack(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		h.send(protocol.Release{})
		h.c.Close()
		h = w.acquire("10.0.0.1", true)
		h.c.Close()
		h = w.acquire("10.0.0.2", true)
		h.c.Close()
		// One that got nowhere is forgotten with the next proof, not with its end.
		h = w.acquire("10.0.0.2", false)
		h.c.Close()
		time.Sleep(time.Second)
		h = w.acquire("10.0.0.2", true)
		h.c.Close()
		w.acquire("10.0.0.2", true)
	})
}

// TestTakingTurns: a stranger does not keep the PED by having another of his
// connections wait for it. It fails when acquire does not ask limits again after
// it waited, or when handle tells limits only after release.
func TestTakingTurns(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", false)
		time.Sleep(5 * time.Second)
		next := w.dial("10.0.0.1")
		next.hello()
		next.send(protocol.Acquire{HSMSerial: "H1"})
		synctest.Wait()
		h.c.Close()
		if e := want[protocol.Error](next); e.Code != protocol.LinkErrTooSlow {
			t.Errorf("%v", e)
		}
	})
}

func TestTooSlow(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", false)
		for range 99 { // a stranger's frames do not help him
			time.Sleep(100 * time.Millisecond)
			h.send(protocol.PEDFrame{Bytes: []byte{1}})
			w.plug.now().event(protocol.EvtClosed)
			want[protocol.PEDEvent](h)
		}
		if h.ended() {
			t.Fatal("dropped before 10 s")
		}
		time.Sleep(150 * time.Millisecond)
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrTooSlow {
			t.Errorf("%v", e)
		}
		w.plug.now().next(t, usbped.HostCancel)
		// He does not get the PED again at once, somebody else does.
		time.Sleep(time.Second)
		again := w.dial("10.0.0.1")
		again.hello()
		again.send(protocol.Acquire{HSMSerial: "H1"})
		if e := want[protocol.Error](again); e.Code != protocol.LinkErrTooSlow {
			t.Errorf("%v", e)
		}
		other := w.acquire("10.0.0.2", true)
		time.Sleep(60 * time.Second)
		if other.ended() {
			t.Error("a proven connection was dropped")
		}
	})
}

func TestIdle(t *testing.T) {
	inWorld(t, Config{Live: Live{IdleTimeout: 60 * time.Second}}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		time.Sleep(50 * time.Second)
		h.send(protocol.PEDFrame{Bytes: []byte{1}}) // counts, pings do not
		time.Sleep(59 * time.Second)
		if h.ended() {
			t.Fatal("ended in use")
		}
		time.Sleep(1500 * time.Millisecond)
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrIdle {
			t.Errorf("%v", e)
		}
		time.Sleep(time.Second)
		if w.srv.Status().Client != nil {
			t.Error("still shown as connected")
		}
	})
}

func TestIdleNever(t *testing.T) {
	inWorld(t, Config{Live: Live{IdleTimeout: -1}}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		time.Sleep(2 * time.Hour)
		if h.ended() {
			t.Error("ended without an idle timeout")
		}
	})
}

func TestSilentHostIsLost(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		time.Sleep(10 * time.Second)
		close(h.mute)
		time.Sleep(5 * time.Second)
		if !h.ended() || w.srv.Status().Client != nil {
			t.Error("status is not true within 5 s")
		}
		w.plug.now().next(t, usbped.HostCancel)
	})
}

func TestPEDLostAndBack(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		w.plug.set(false)
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrPEDLost {
			t.Errorf("%v", e)
		}
		time.Sleep(time.Second)
		st := w.srv.Status()
		if st.PED.Connected || !strings.Contains(st.PED.Reason, "no PED found") {
			t.Errorf("%+v", st.PED)
		}
		h2 := w.dial("10.0.0.1")
		h2.hello()
		h2.send(protocol.Acquire{HSMSerial: "H1"})
		if e := want[protocol.Error](h2); e.Code != protocol.LinkErrNoPED {
			t.Errorf("%v", e)
		}
		w.plug.set(true)
		time.Sleep(time.Second)
		if !w.srv.Status().PED.Connected {
			t.Error("a PED plugged in is not found within 1 s")
		}
		w.acquire("10.0.0.1", true)
	})
}

// mute is a PED that takes everything and answers nothing.
type mute struct {
	closed chan struct{}
	delay  atomic.Int64
}

func (m *mute) Info() usbped.Info {
	return usbped.Info{Serial: "P1", Firmware: "2.9.0", Software: true}
}
func (m *mute) Send(ctx context.Context, _ []byte) error { <-ctx.Done(); return ctx.Err() }
func (m *mute) SetWriteDelay(d time.Duration)            { m.delay.Store(int64(d)) }
func (m *mute) Cancel(ctx context.Context) error         { <-ctx.Done(); return ctx.Err() }
func (m *mute) Close() error                             { m.closed <- struct{}{}; return nil }
func (m *mute) Recv(ctx context.Context) (usbped.Message, error) {
	<-ctx.Done()
	return usbped.Message{}, ctx.Err()
}
func (m *mute) Ping(ctx context.Context) error {
	select {
	case <-time.After(usbped.PongTimeout):
	case <-ctx.Done():
	}
	return usbped.ErrMute
}

// A PED that is there but mute is as good as none, and is opened again.
func TestMutePED(t *testing.T) {
	m := &mute{}
	inWorld(t, Config{}, func(w *world) {
		m.closed = make(chan struct{}, 100)
		w.plug.set(false)
		time.Sleep(time.Second)
		w.plug.other = m
		w.plug.set(true)
		time.Sleep(time.Second)
		h := w.acquire("10.0.0.1", false)
		h.send(protocol.PEDFrame{Bytes: []byte{1}})
		time.Sleep(5 * time.Second)
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrPEDMute {
			t.Errorf("%v", e)
		}
		if len(m.closed) == 0 {
			t.Error("not opened again")
		}
		if r := w.srv.Status(); r.Client != nil {
			t.Error("still connected")
		}
	})
}

func TestPEDMode(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		for mode, ok := range map[protocol.PEDMode]bool{
			protocol.PEDModeRemote: true, protocol.PEDModePair: true, protocol.PEDModeLocal: false, protocol.PEDModeAdmin: false,
		} {
			w.plug.now().mode.Store(uint32(mode))
			w.plug.now().event(protocol.EvtState)
			time.Sleep(time.Second)
			h := w.dial("10.0.0.1")
			h.hello()
			h.send(protocol.Acquire{HSMSerial: "H1"})
			switch b := h.next().(type) {
			case protocol.Acquired:
				if !ok {
					t.Errorf("acquired in mode %v", mode)
				}
			case protocol.Error:
				if ok || b.Code != protocol.LinkErrPEDMode {
					t.Errorf("%v in mode %v", b, mode)
				}
			}
			h.c.Close()
			time.Sleep(time.Second)
		}
	})
}

func TestShutdownTellsTheHost(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		idle := w.dial("10.0.0.2")
		begin := time.Now()
		w.stop()
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrShutdown {
			t.Errorf("%v", e)
		}
		err := <-w.done
		w.done <- err
		if time.Since(begin) > time.Second {
			t.Errorf("stop took %v", time.Since(begin))
		}
		synctest.Wait()
		if !idle.ended() {
			t.Error("a pending connection stays open")
		}
		w.plug.now().next(t, usbped.HostCancel)
	})
}

// A host that takes nothing is not waited for.
func TestSlowReader(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		c := w.ln.dial("10.0.0.1")
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if err := protocol.WriteBody(c, protocol.Hello{MinVersion: 1, MaxVersion: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := protocol.ReadFrame(c); err != nil {
			t.Fatal(err)
		}
		if err := protocol.WriteBody(c, protocol.Acquire{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		w.acquire("10.0.0.2", true)
	})
}

// ⚠ A PED whose operator chooses Local while an HSM host has it serves nobody from
// afar any more. To take the rule out: the check of the mode in session.fromPED.
func TestLocalWhileHeld(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.acquire("10.0.0.1", true)
		for _, mode := range []protocol.PEDMode{protocol.PEDModeAdmin, protocol.PEDModeLocal} {
			w.plug.now().mode.Store(uint32(mode))
			w.plug.now().event(protocol.EvtState)
			if e := want[protocol.PEDEvent](h); e.Mode != mode {
				t.Errorf("the HSM host is told %v, want %v", e.Mode, mode)
			}
		}
		if e := want[protocol.Error](h); e.Code != protocol.LinkErrPEDMode {
			t.Errorf("%v", e)
		}
		time.Sleep(time.Second)
		w.state("wrong-mode", "choose Remote PED")
	})
}
