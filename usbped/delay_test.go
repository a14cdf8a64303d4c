package usbped

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// takeLate plays a PED that reads one frame, and returns the sizes and times of
// the pieces it came in.
func takeLate(c net.Conn, want int) (sizes []int, gaps []time.Duration) {
	buf := make([]byte, 1<<17)
	last := time.Now()
	for sum := 0; sum < want; {
		n, err := c.Read(buf)
		if err != nil {
			return sizes, gaps
		}
		sizes, gaps = append(sizes, n), append(gaps, time.Since(last))
		last, sum = time.Now(), sum+n
	}
	return sizes, gaps
}

// TestWriteDelay: between 512 bytes and the next there is the pause, and it may
// be set while the PED is in use.
func TestWriteDelay(t *testing.T) {
	for name, c := range map[string]struct {
		delay time.Duration
		frame int
		want  []int
		gap   time.Duration
	}{
		"none":       {0, 2000, []int{2016}, 0},
		"one piece":  {time.Millisecond, 495, []int{511}, 0},
		"pieces":     {50 * time.Microsecond, 1100, []int{512, 512, 92}, 50 * time.Microsecond},
		"the most":   {time.Hour, 1007, []int{512, 511}, MaxWriteDelay},
		"below zero": {-1, 1007, []int{1023}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, ped := rawPED(t, testPayload)
				h.SetWriteDelay(c.delay)
				go h.Send(t.Context(), bytes.Repeat([]byte{7}, c.frame))
				sizes, gaps := takeLate(ped.c, c.frame+headerSize)
				if len(sizes) != len(c.want) {
					t.Fatalf("pieces of %v bytes, want %v", sizes, c.want)
				}
				for i := range sizes {
					if sizes[i] != c.want[i] || i > 0 && gaps[i] != c.gap {
						t.Errorf("pieces of %v bytes after %v, want %v", sizes, gaps, c.want)
					}
				}
				h.SetWriteDelay(0)
				go h.Send(t.Context(), bytes.Repeat([]byte{7}, 2000))
				if sizes, _ := takeLate(ped.c, 2000+headerSize); len(sizes) != 1 {
					t.Errorf("pieces of %v bytes after the delay was taken back", sizes)
				}
			})
		})
	}
}

// TestWriteDelayIsBounded: the longest frame with the longest pause is not late,
// and a frame in the middle of its pauses ends with its context.
func TestWriteDelayIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(t)
		h.SetWriteDelay(MaxWriteDelay)
		begin := time.Now()
		if err := h.Send(t.Context(), make([]byte, MaxPayload)); err != nil || time.Since(begin) > 1500*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if m, err := g.Recv(t.Context()); err != nil || len(m.Frame) != MaxPayload {
			t.Error(len(m.Frame), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin = time.Now()
		if err := h.Send(ctx, make([]byte, MaxPayload)); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 110*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}
