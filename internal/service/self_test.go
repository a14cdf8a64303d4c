package service

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatch: the watchdog hears of a service that is well, and nothing of one
// that hangs or is ill.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var beats atomic.Int32
		var ill, block atomic.Bool
		hang := make(chan struct{})
		s := &Self{within: 20 * time.Second, beat: func() { beats.Add(1) }}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Watch(ctx, func() error {
				if block.Load() {
					<-hang
				}
				if ill.Load() {
					return errors.New("ill")
				}
				return nil
			})
		}()
		time.Sleep(time.Minute + time.Second)
		if n := beats.Load(); n < 12 {
			t.Errorf("%d beats in a minute of which each 20 s need one", n)
		}
		ill.Store(true)
		time.Sleep(6 * time.Second)
		was := beats.Load()
		time.Sleep(time.Minute)
		if beats.Load() != was {
			t.Error("a service that is ill looks well")
		}
		ill.Store(false)
		block.Store(true)
		time.Sleep(6 * time.Second)
		was = beats.Load()
		time.Sleep(time.Minute)
		if beats.Load() != was {
			t.Error("a service that hangs looks well")
		}
		block.Store(false)
		close(hang)
		time.Sleep(6 * time.Second)
		if beats.Load() == was {
			t.Error("a service that is well again looks as if it hung")
		}
		cancel()
		<-done
	})
}

// TestNoService: a process that is no service tells nobody anything.
func TestNoService(t *testing.T) {
	var s *Self
	s.Ready("")
	s.Stopping()
	s.Failed("")
	s.Watch(t.Context(), func() error { t.Error("asked"); return nil })
	(&Self{}).Watch(t.Context(), func() error { t.Error("asked without a watchdog"); return nil })
}
