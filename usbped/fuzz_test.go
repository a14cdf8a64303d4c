package usbped

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// script turns the bytes of a fuzzer into a peer: frames that are right as
// frames, and others, with any payload, and pauses. The steps write what the
// other end reads.
type script struct {
	rest []byte
	seq  *uint32 // of bulk; events have one of their own
	ev   *uint32
}

func (s *script) byte() byte {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

// next returns the next bytes and the pause before them.
func (s *script) next() (out []byte, pause time.Duration, ok bool) {
	if len(s.rest) == 0 {
		return nil, 0, false
	}
	op := s.byte()
	switch kind := op & 0xf; kind {
	case 0:
		return nil, time.Duration(s.byte()) * 100 * time.Millisecond, true
	case 12, 13:
		n := min(int(s.byte()), len(s.rest))
		out, s.rest = s.rest[:n], s.rest[n:]
		return out, 0, true
	case 14: // a number is left out
		*s.seq++
		return nil, 0, true
	case 15:
		*s.ev += uint32(s.byte())
		return nil, 0, true
	default:
		t := frameType(kind)
		f := rawFrame{typ: t, more: op&0x10 != 0}
		switch {
		case !t.valid():
			f.payload = []byte{s.byte()}
		case op&0x20 != 0 && t == typeFrame:
			f.payload = make([]byte, MaxSegment)
		case frameTypes[t].min == frameTypes[t].max:
			f.payload = make([]byte, frameTypes[t].min)
			for i := range f.payload {
				f.payload[i] = s.byte()
			}
		default:
			n := min(int(s.byte()), len(s.rest))
			f.payload, s.rest = s.rest[:n], s.rest[n:]
		}
		count := s.seq
		if t == typeEvent {
			count = s.ev
		}
		if t == typeReset {
			*count = 0
		}
		f.seq = *count
		*count++
		return appendFrame(nil, f), 0, true
	}
}

// fuzzPort is either end of a cable whose other end is played by a script, once
// it has been opened.
type fuzzPort struct {
	in, events chan []byte
	written    chan []byte
	gone       chan struct{}
	once       sync.Once
	mu         sync.Mutex
	left       [2][]byte
}

func newFuzzPort() *fuzzPort {
	return &fuzzPort{in: make(chan []byte), events: make(chan []byte), written: make(chan []byte), gone: make(chan struct{})}
}

func (p *fuzzPort) read(c chan []byte, lane int, b []byte) (int, error) {
	p.mu.Lock()
	left := p.left[lane]
	p.mu.Unlock()
	if len(left) == 0 {
		select {
		case left = <-c:
		case <-p.gone:
			return 0, io.EOF
		}
	}
	n := copy(b, left)
	p.mu.Lock()
	p.left[lane] = left[n:]
	p.mu.Unlock()
	return n, nil
}

func (p *fuzzPort) Read(b []byte) (int, error)       { return p.read(p.in, 0, b) }
func (p *fuzzPort) ReadEvent(b []byte) (int, error)  { return p.read(p.events, 1, b) }
func (p *fuzzPort) WriteEvent(b []byte) (int, error) { return len(b), nil }
func (p *fuzzPort) Reset() error                     { return nil }
func (p *fuzzPort) Close() error                     { p.once.Do(func() { close(p.gone) }); return nil }

func (p *fuzzPort) Write(b []byte) (int, error) {
	select {
	case p.written <- bytes.Clone(b):
		return len(b), nil
	case <-p.gone:
		return 0, io.EOF
	}
}

func (p *fuzzPort) say(c chan []byte, b []byte) {
	if len(b) == 0 {
		return
	}
	select {
	case c <- b:
	case <-p.gone:
	}
}

func frames(fs ...rawFrame) (b []byte) {
	for _, f := range fs {
		b = appendFrame(b, f)
	}
	return b
}

// FuzzHost plays an arbitrary PED to a host that sends, cancels, pings and
// receives. A hang is a deadlock of the bubble.
func FuzzHost(f *testing.F) {
	f.Add([]byte{3, 1, 9, 0x23, 0x33, 0x23, 9, 0, 0, 20, 0, 0, 200}, []byte{4, 4, 1, 1, 0, 0})
	f.Add([]byte{10, 0, 0, 0, 1, 0x10, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0x33, 0x33, 0}, []byte{15, 1, 4, 4, 1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, bulk, events []byte) {
		synctest.Test(t, func(t *testing.T) {
			p := newFuzzPort()
			var seq, ev uint32
			opened := make(chan struct{})
			go func() {
				first := <-p.written
				token := resetToken(first[len(first)-len(resetToken{}):])
				ev = token.events()
				p.say(p.in, frames(token.frame()))
				<-p.written
				info := testPayload
				info.window = leastWindow(MaxSegment)
				p.say(p.in, frames(rawFrame{typ: typeInfo, seq: 1, payload: info.encode()}))
				seq = 2
				close(opened)
			}()
			h, err := NewPortHost(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			<-opened
			ctx, stop := context.WithTimeout(t.Context(), time.Hour)
			var all sync.WaitGroup
			until := func(op func() error) {
				all.Go(func() {
					for op() == nil {
					}
				})
			}
			all.Go(func() { // a PED that takes what is sent, more or less
				for {
					select {
					case <-p.written:
						time.Sleep(time.Millisecond)
					case <-p.gone:
						return
					}
				}
			})
			play := func(s *script, c chan []byte) {
				for {
					b, pause, ok := s.next()
					if !ok {
						return
					}
					time.Sleep(pause)
					p.say(c, b)
				}
			}
			all.Go(func() {
				play(&script{bulk, &seq, new(uint32)}, p.in)
				time.Sleep(time.Minute)
				h.Close()
			})
			all.Go(func() { play(&script{events, new(uint32), &ev}, p.events) })
			until(func() error { time.Sleep(time.Second); return h.Ping(ctx) })
			until(func() error {
				if err := h.Send(ctx, make([]byte, 5000)); err != ErrAborted {
					return err
				}
				time.Sleep(time.Second)
				return nil
			})
			until(func() error { time.Sleep(3 * time.Second); return h.Cancel(ctx) })
			until(func() error {
				m, err := h.Recv(ctx)
				if err == nil && (m.Event == nil) != (len(m.Frame) > 0 && len(m.Frame) <= MaxPayload) {
					t.Errorf("received %d bytes, %v", len(m.Frame), m.Event)
				}
				h.flow.Lock()
				defer h.flow.Unlock()
				if h.credit > h.window {
					t.Errorf("credit of %d in a window of %d", h.credit, h.window)
				}
				return err
			})
			all.Wait()
			stop()
		})
	})
}

// FuzzGadget plays an arbitrary host to a PED that echoes. Whatever the host
// does, the PED holds a window and a frame at most, and serves the next.
func FuzzGadget(f *testing.F) {
	open := append([]byte{6, 1, 2, 3, 4, 5, 6, 7, 8}, append([]byte{1}, infoRequest{1, 1, MaxSegment}.encode()...)...)
	f.Add(append(bytes.Clone(open), 3, 3, 7, 7, 7, 0x33, 0x23, 7, 0, 0, 0, 1, 5, 0, 0, 0, 1, 3, 1, 9), uint8(0))
	f.Add(append(bytes.Clone(open), 5, 0, 0, 0, 1, 5, 0, 0, 0, 2, 0, 200), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, slow uint8) {
		synctest.Test(t, func(t *testing.T) {
			p := newFuzzPort()
			g := NewPortGadget(p, testInfo)
			var all sync.WaitGroup
			all.Go(func() {
				for {
					m, err := g.Recv(context.Background())
					if err != nil {
						return
					}
					time.Sleep(time.Duration(slow) * 100 * time.Millisecond)
					switch m.Kind {
					case HostFrame:
						if len(m.Frame) == 0 || len(m.Frame) > MaxPayload {
							t.Errorf("frame of %d bytes", len(m.Frame))
						}
						_ = g.SendFrame(context.Background(), m.Frame)
					case HostCancel:
						_ = g.SendCanceled(context.Background(), m.Token)
					default:
						_ = g.SendEvent(context.Background(), stateEvent)
					}
				}
			})
			all.Go(func() { // a host that reads
				for {
					select {
					case <-p.written:
					case <-p.gone:
						return
					}
				}
			})
			var seq uint32
			for s := (&script{b, &seq, new(uint32)}); ; {
				out, pause, ok := s.next()
				if !ok {
					break
				}
				time.Sleep(pause)
				p.say(p.in, out)
				held := 0
				g.got.drop(func(m arrived) bool { held += len(m.Frame); return false })
				if held > window+MaxSegment {
					t.Errorf("%d bytes are held", held)
				}
			}
			// The next host is served, if the last one is over its pauses.
			opened := make(chan struct{})
			all.Go(func() {
				p.say(p.in, append(bytes.Clone(zeros[:]), frames(testToken.frame(), rawFrame{typ: typeInfoRequest, seq: 1, payload: infoRequest{1, 1, MaxSegment}.encode()})...))
				close(opened)
			})
			time.Sleep(time.Hour)
			<-opened
			g.mu.Lock()
			if !g.open {
				t.Error("the next host is not served")
			}
			g.mu.Unlock()
			g.Close()
			all.Wait()
		})
	})
}

// What a script plays is what the framing takes.
func TestScript(t *testing.T) {
	var seq, ev uint32 = 2, 7
	s := &script{[]byte{5, 0, 0, 0, 9, 14, 0x33, 0, 1, 4, 4, 1, 1, 0, 0}, &seq, &ev}
	var got []rawFrame
	for {
		b, _, ok := s.next()
		if !ok {
			break
		}
		if len(b) > 0 {
			f, err := readFrame(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, f)
		}
	}
	if len(got) != 3 || got[0].seq != 2 || binary.BigEndian.Uint32(got[0].payload) != 9 || got[1].seq != 4 || !got[1].more || got[2].seq != 7 {
		t.Errorf("%d frames", len(got))
	}
}
