package usbped

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// small is a PED with the smallest window: two segments.
var small = func() infoPayload {
	p := testPayload
	p.segment, p.window = minSegment, leastWindow(minSegment)
	return p
}()

// send sends in the background, and returns where the end is told.
func send(t *testing.T, h *Host, n int) <-chan error {
	done := make(chan error, 1)
	go func() { done <- h.Send(t.Context(), make([]byte, n)) }()
	return done
}

// A host sends no more than it has credit for, and all that it has.
func TestCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ped := rawPED(t, small)
		done := send(t, h, 5*minSegment)
		var got []rawFrame
		go func() {
			for {
				f, err := ped.in.next()
				if err != nil {
					return
				}
				got = append(got, f)
			}
		}()
		for want := 2; want <= 5; want++ {
			synctest.Wait()
			if len(got) != want || got[want-1].more != (want < 5) || len(got[want-1].payload) != minSegment {
				t.Fatalf("%d segments, want %d", len(got), want)
			}
			if want < 5 {
				ped.send(typeCredit, u32(cost(minSegment)))
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Credit that lies: too much at once or in sum, none at all, and when nothing
// was used. The host ends, in bounded time.
func TestCreditLies(t *testing.T) {
	full := leastWindow(minSegment)
	for name, c := range map[string]struct {
		grants []uint32
		after  time.Duration
		want   error
	}{
		"more than was used": {[]uint32{full + 1}, 0, ErrCorrupt},
		"all there is":       {[]uint32{^uint32(0)}, 0, ErrCorrupt},
		"twice":              {[]uint32{full, cost(minSegment) + 1}, 0, ErrCorrupt},
		"none":               {nil, WriteTimeout, errNoCredit},
		"a little":           {[]uint32{cost(minSegment) - 1}, WriteTimeout, errNoCredit},
		"nothing, often":     {[]uint32{0}, 0, ErrCorrupt},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, ped := rawPED(t, small)
			begin := time.Now()
			done := send(t, h, 3*minSegment)
			ped.next(typeFrame)
			ped.next(typeFrame)
			for _, n := range c.grants {
				ped.send(typeCredit, u32(n))
				go ped.in.next()
				synctest.Wait()
			}
			_, err := h.Recv(t.Context())
			if !errors.Is(err, c.want) || !errors.Is(err, ErrUnplugged) || time.Since(begin) != c.after {
				t.Errorf("%s: %v after %v, want %v after %v", name, err, time.Since(begin), c.want, c.after)
			}
			if err := <-done; err != nil && !errors.Is(err, ErrUnplugged) {
				t.Errorf("%s: send: %v", name, err)
			}
		})
	}
}

// Half a window that keeps a frame from its end is not kept back for ever, but a
// host whose time runs out may give the frame up and go on.
func TestCreditAfterAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ped := rawPED(t, small)
		done := send(t, h, 3*minSegment)
		ped.next(typeFrame)
		ped.next(typeFrame)
		canceled := make(chan error, 1)
		go func() { canceled <- h.Cancel(t.Context()) }()
		token := ped.next(typeCancel).payload
		if err := <-done; err != ErrAborted {
			t.Error(err)
		}
		if err := h.Send(t.Context(), []byte{1}); err != ErrAborted {
			t.Errorf("before CANCELED: %v", err)
		}
		ped.send(typeCanceled, append(token, u32(ped.event)...))
		if err := <-canceled; err != nil {
			t.Error(err)
		}
		done = send(t, h, 2*minSegment) // the whole window again
		ped.next(typeFrame)
		ped.next(typeFrame)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCanceledLies(t *testing.T) {
	for name, answer := range map[string]func(token []byte, events uint32) []byte{
		"another token":     func(_ []byte, events uint32) []byte { return u32(1, events) },
		"events to come":    func(token []byte, events uint32) []byte { return append(token, u32(events+queueLen+1)...) },
		"events long since": func(token []byte, events uint32) []byte { return append(token, u32(events-1)...) },
	} {
		synctest.Test(t, func(t *testing.T) {
			h, ped := rawPED(t, testPayload)
			canceled := make(chan error, 1)
			go func() { canceled <- h.Cancel(t.Context()) }()
			ped.send(typeCanceled, answer(ped.next(typeCancel).payload, ped.event))
			if err := <-canceled; !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // twice
		h, ped := rawPED(t, testPayload)
		canceled := make(chan error, 1)
		go func() { canceled <- h.Cancel(t.Context()) }()
		answer := append(ped.next(typeCancel).payload, u32(ped.event)...)
		ped.send(typeCanceled, answer)
		ped.send(typeCanceled, answer)
		if err := <-canceled; err != nil && !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
		if _, err := h.Recv(t.Context()); !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}

// A host that sends more than it has credit for is dropped; what it may send is
// held.
func TestHostOverruns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, host := rawHost(t)
		segment := bytes.Repeat([]byte{1}, MaxSegment)
		sent := 0
		for g.c.err() == nil {
			host.send(typeFrame, segment)
			sent++
			synctest.Wait()
		}
		if err := g.c.err(); !errors.Is(err, ErrOverrun) || sent != window/int(cost(MaxSegment))+1 {
			t.Errorf("%v after %d", err, sent)
		}
	})
}

// Short and tiny frames cost as much as they take.
func TestTinyFramesCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, host := rawHost(t)
		sent := 0
		for g.c.err() == nil {
			host.send(typeFrame, []byte{1})
			sent++
		}
		if want := window/int(cost(1)) + 1; sent < want || sent > want+2 {
			t.Errorf("%d frames, want %d", sent, want)
		}
	})
}

// A lane of events that does not work is noticed.
func TestEventsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ped := rawPED(t, testPayload)
		missing := uint32(0)
		go func() {
			for {
				f, err := ped.in.next()
				if err != nil {
					return
				}
				if f.typ == typePing {
					ped.send(typePong, append(f.payload, u32(ped.event+missing)...))
				}
			}
		}()
		ping := func(times int) (err error) {
			for range times {
				if err = h.Ping(t.Context()); err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
			return nil
		}
		if err := ping(10); err != nil {
			t.Fatal(err)
		}
		missing = 1
		if err := ping(2); err != nil { // it is late
			t.Fatal(err)
		}
		missing = 0
		ped.send(typeEvent, stateEvent.Encode())
		if err := ping(10); err != nil {
			t.Fatal(err)
		}
		missing = 1
		begin := time.Now()
		if err := ping(10); !errors.Is(err, ErrUnplugged) || time.Since(begin) != PongTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}
