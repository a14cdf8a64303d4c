package pedserver

import (
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
