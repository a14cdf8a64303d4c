package usbped

import (
	"context"
	"testing"
)

// A queue that is never empty does not grow.
func TestQueueStaysSmall(t *testing.T) {
	q := newQueue[int]()
	c := newConn(func() error { return nil })
	q.put(0)
	for i := range 10000 {
		if n := q.put(i + 1); n != 2 {
			t.Fatalf("%d items", n)
		}
		if got, err := q.next(context.Background(), c); err != nil || got != i {
			t.Fatalf("%d, %v, want %d", got, err, i)
		}
	}
	if cap(q.items) > 8 {
		t.Errorf("room for %d", cap(q.items))
	}
	for i := range 5 {
		q.put(i)
	}
	q.drop(func(n int) bool { return n != 3 })
	if n, ok := q.get(); !ok || n != 3 {
		t.Error(n, ok)
	}
	if n, ok := q.get(); ok {
		t.Error(n)
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, n := range []int{64, MaxSegment} {
		b.Run(map[int]string{64: "64 B", MaxSegment: "4 KiB"}[n], func(b *testing.B) {
			h, g := connect(b)
			go func() {
				for {
					m, err := g.Recv(context.Background())
					if err != nil {
						return
					}
					if m.Kind == HostFrame {
						_ = g.SendFrame(context.Background(), m.Frame)
					}
				}
			}()
			frame := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Send(context.Background(), frame); err != nil {
					b.Fatal(err)
				}
				if _, err := h.Recv(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
