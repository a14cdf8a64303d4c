package usbip

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"openped/softped/back/usbdev"
)

// begin serves a host over a pipe.
func begin(t testing.TB) (*client, usbdev.Ports, chan error) {
	t.Helper()
	ours, theirs := net.Pipe()
	ports := usbdev.NewPorts()
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { done <- serve(ctx, theirs, usbdev.New(testID, usbdev.High, ports)) }()
	t.Cleanup(func() { stop(); ours.Close() })
	return newClient(ours), ports, done
}

func TestTransfers(t *testing.T) {
	h, ports, done := begin(t)
	if b, status := h.control(0x80, 6, 0x0100, 0, 18); status != 0 || !bytes.Equal(b, testID.Device()) {
		t.Errorf("%x, status %d", b, status)
	}
	if _, status := h.control(0x80, 6, 0x0900, 0, 18); status != -32 {
		t.Errorf("no stall: %d", status)
	}
	h.configure(t)
	p := <-ports
	// Out: the answer comes when the PED has read it all.
	_, out := h.submit(1, false, [8]byte{}, []byte("hello PED"), 0)
	b := make([]byte, 5)
	if n, err := p.Read(b); err != nil || string(b[:n]) != "hello" {
		t.Fatal(n, err)
	}
	select {
	case r := <-out:
		t.Errorf("answered too early: %+v", r)
	default:
	}
	if n, err := p.Read(b); err != nil || string(b[:n]) != " PED" {
		t.Fatal(n, err)
	}
	if r := <-out; r.status != 0 || r.n != 9 {
		t.Errorf("%+v", r)
	}
	// In: held until the PED has something.
	_, in := h.submit(2, true, [8]byte{}, nil, 1024)
	if n, err := p.Write([]byte("hello host")); err != nil || n != 10 {
		t.Fatal(n, err)
	}
	if r := <-in; r.status != 0 || string(r.data) != "hello host" {
		t.Errorf("%+v", r)
	}
	// Taken back: there is one answer, of the unlink.
	seq, in := h.submit(3, true, [8]byte{}, nil, 64)
	if r := <-h.unlink(seq); !r.unlink || r.status != -104 {
		t.Errorf("%+v", r)
	}
	select {
	case r := <-in:
		t.Errorf("a transfer that was taken back is answered: %+v", r)
	default:
	}
	// Too late, and never there.
	for _, victim := range []uint32{seq, 2, 4711} {
		if r := <-h.unlink(victim); !r.unlink || r.status != 0 {
			t.Errorf("%+v", r)
		}
	}
	h.c.Close()
	if err := <-done; err != nil && err != io.EOF {
		t.Error(err)
	}
	if _, err := p.Read(b); err != usbdev.ErrGone {
		t.Errorf("the PED's end after the host has gone: %v", err)
	}
}

// What no host does ends the connection, at no cost.
func TestRules(t *testing.T) {
	ok := []any{uint32(1), uint32(7), uint32(0x10002), uint32(1), uint32(2), uint32(0), uint32(64), uint32(0), uint32(0), uint32(0), make([]byte, 8)}
	with := func(change map[int]any) []byte {
		f := append([]any{}, ok...)
		for i, v := range change {
			f[i] = v
		}
		return be(f...)
	}
	many := func(f func(i uint32) []byte) []byte {
		var b []byte
		for i := range uint32(maxPending + 2) {
			b = append(b, f(i)...)
		}
		return b
	}
	configure := with(map[int]any{1: uint32(1), 3: uint32(0), 4: uint32(0), 6: uint32(0), 10: []byte{0, 9, 1, 0, 0, 0, 0, 0}})
	for name, b := range map[string][]byte{
		"unknown command":  with(map[int]any{0: uint32(9)}),
		"another device":   with(map[int]any{2: uint32(0x10003)}),
		"third direction":  with(map[int]any{3: uint32(2)}),
		"endpoint 16":      with(map[int]any{4: uint32(16)}),
		"isochronous":      with(map[int]any{8: uint32(1)}),
		"too much data":    with(map[int]any{3: uint32(0), 6: uint32(maxTransfer + 1)}),
		"all there is":     with(map[int]any{3: uint32(0), 6: uint32(0xffffffff)}),
		"setup the other":  with(map[int]any{4: uint32(0), 10: []byte{0, 9, 1, 0, 0, 0, 1, 0}}),
		"the same number":  append(with(nil), with(nil)...),
		"too many at once": many(func(i uint32) []byte { return with(map[int]any{1: i + 10}) }),
		"too much at once": many(func(i uint32) []byte {
			return append(with(map[int]any{1: i + 10, 3: uint32(0), 4: uint32(1), 6: uint32(64 << 10)}), make([]byte, 64<<10)...)
		}),
	} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			done := make(chan error, 1)
			go func() { done <- serve(t.Context(), theirs, usbdev.New(testID, usbdev.High, usbdev.NewPorts())) }()
			go io.Copy(io.Discard, ours)
			go ours.Write(append(bytes.Clone(configure), b...))
			if err := <-done; err != ErrProtocol {
				t.Errorf("%s: %v", name, err)
			}
			ours.Close()
		})
	}
}

// A host that stops in the middle of a command, or takes no answers, is dropped;
// one that is silent is not.
func TestStalledHost(t *testing.T) {
	for name, c := range map[string]struct {
		sends []byte
		after time.Duration
	}{
		"half a command":   {be(uint32(1), uint32(7)), stallTime},
		"half the data":    {be(uint32(1), uint32(7), uint32(0x10002), uint32(0), uint32(1), uint32(0), uint32(64), make([]byte, 20), uint32(0)), stallTime},
		"takes no answers": {be(uint32(2), uint32(7), uint32(0x10002), uint32(0), uint32(0), make([]byte, 28)), stallTime},
		"silent":           {nil, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			start := time.Now()
			done := make(chan error, 1)
			ctx, stop := context.WithTimeout(t.Context(), 24*time.Hour)
			defer stop()
			go func() { done <- serve(ctx, theirs, usbdev.New(testID, usbdev.High, usbdev.NewPorts())) }()
			go ours.Write(c.sends)
			err := <-done
			want := c.after
			if want == 0 {
				want = 24 * time.Hour
			}
			if err == nil || time.Since(start) != want {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
		})
	}
}

// Any bytes at all: the server ends, in bounded time and memory.
func FuzzHost(f *testing.F) {
	command := be(uint32(1), uint32(7), uint32(0x10002), uint32(1), uint32(2), uint32(0), uint32(64), uint32(0), uint32(0), uint32(0), make([]byte, 8))
	f.Add(command)
	f.Add(be(uint32(1), uint32(8), uint32(0x10002), uint32(0), uint32(0), uint32(0), uint32(0), make([]byte, 12), []byte{0, 9, 1, 0, 0, 0, 0, 0}))
	f.Add(be(uint32(1), uint32(8), uint32(0x10002), uint32(0), uint32(1), uint32(0), uint32(3), make([]byte, 20), []byte("abc")))
	f.Add(be(uint32(2), uint32(9), uint32(0x10002), uint32(0), uint32(0), uint32(7), make([]byte, 24)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		configure := be(uint32(1), uint32(0xfffffff0), uint32(0x10002), uint32(0), uint32(0), uint32(0), uint32(0), make([]byte, 12), []byte{0, 9, 1, 0, 0, 0, 0, 0})
		ours, theirs := net.Pipe()
		ports := usbdev.NewPorts()
		done := make(chan error, 1)
		go func() { done <- serve(context.Background(), theirs, usbdev.New(testID, usbdev.High, ports)) }()
		go io.Copy(io.Discard, ours)
		ctx, stop := context.WithCancel(context.Background())
		read := make(chan struct{})
		go func() { // a PED that reads and answers
			defer close(read)
			select {
			case p := <-ports:
				room := make([]byte, 512)
				for {
					n, err := p.Read(room)
					if err != nil {
						return
					}
					go p.Write(room[:n:n])
				}
			case <-ctx.Done():
			}
		}()
		_, _ = ours.Write(append(configure, b...))
		ours.Close()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Fatal("the server hangs")
		}
		stop()
		<-read
	})
}

// The same for who has not imported anything.
func FuzzOperation(f *testing.F) {
	f.Add(be(uint16(0x0111), uint16(0x8005), uint32(0)))
	f.Add(be(uint16(0x0111), uint16(0x8003), uint32(0), []byte("1-1"), make([]byte, 29)))
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := net.Pipe()
		s := &Server{ID: testID, Speed: usbdev.High, Ports: usbdev.NewPorts(), Log: quiet}
		done := make(chan struct{})
		go func() { defer close(done); s.answer(context.Background(), theirs) }()
		go io.Copy(io.Discard, ours)
		_, _ = ours.Write(b)
		ours.Close()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Fatal("the server hangs")
		}
	})
}
