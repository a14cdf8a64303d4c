package pedserver

import (
	"testing"
	"testing/synctest"
	"time"

	"openped/protocol"
)

func TestGreetRefuses(t *testing.T) {
	hello := protocol.Hello{MinVersion: 1, MaxVersion: 1}
	for name, c := range map[string]struct {
		send []protocol.Body
		want protocol.LinkErr
	}{
		"future version":     {[]protocol.Body{protocol.Hello{MinVersion: 2, MaxVersion: 3}}, protocol.LinkErrVersion},
		"no hello":           {[]protocol.Body{protocol.Acquire{HSMSerial: "x"}}, protocol.LinkErrProtocol},
		"critical extension": {[]protocol.Body{protocol.Hello{MinVersion: 1, MaxVersion: 1, Ext: []protocol.Ext{{Type: 9, Critical: true}}}}, protocol.LinkErrProtocol},
		"frame before PED":   {[]protocol.Body{hello, protocol.PEDFrame{Bytes: []byte{1}}}, protocol.LinkErrProtocol},
		"two hellos":         {[]protocol.Body{hello, hello}, protocol.LinkErrProtocol},
		"acquire twice":      {[]protocol.Body{hello, protocol.Acquire{}, protocol.Acquire{}}, protocol.LinkErrProtocol},
	} {
		inWorld(t, Config{}, func(w *world) {
			h := w.dial("10.0.0.1")
			for _, b := range c.send {
				h.send(b)
			}
			for {
				b := h.next()
				if e, ok := b.(protocol.Error); ok {
					if e.Code != c.want {
						t.Errorf("%s: %v, want %v", name, e.Code, c.want)
					}
					break
				}
				if b == nil {
					t.Errorf("%s: no ERROR", name)
					break
				}
			}
			time.Sleep(time.Second)
			if !h.ended() {
				t.Errorf("%s: still connected", name)
			}
		})
	}
}

func TestGarbageEndsTheConnection(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.dial("10.0.0.1")
		_ = h.c.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = h.c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		synctest.Wait()
		time.Sleep(time.Second)
		if !h.ended() {
			t.Error("garbage is listened to")
		}
	})
}

func TestSayNothing(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		h := w.dial("10.0.0.1")
		h.hello()
		time.Sleep(4 * time.Second)
		if h.ended() {
			t.Error("dropped too early")
		}
		time.Sleep(1100 * time.Millisecond)
		if !h.ended() {
			t.Error("a connection without ACQUIRE stays")
		}
	})
}

func TestConnectionCaps(t *testing.T) {
	inWorld(t, Config{MaxPending: 8, MaxPerAddress: 4}, func(w *world) { // 2 are kept
		var hs []*host
		for range 5 {
			hs = append(hs, w.dial("10.0.0.1"))
			synctest.Wait()
		}
		for range 3 {
			hs = append(hs, w.dial("10.0.0.2"))
			synctest.Wait()
		}
		for i, h := range hs {
			if want := i == 4 || i == 7; h.ended() != want {
				t.Errorf("connection %d: ended %v", i, h.ended())
			}
		}
		time.Sleep(6 * time.Second) // the idle ones are gone
		w.acquire("10.0.0.1", true)
	})
}

// Who has the PED does not count as pending: its address may call again.
func TestHolderIsNotPending(t *testing.T) {
	inWorld(t, Config{MaxPerAddress: 1}, func(w *world) {
		w.acquire("10.0.0.1", true)
		h := w.dial("10.0.0.1")
		h.hello()
		h.send(protocol.Acquire{})
		want[protocol.Busy](h)
	})
}
