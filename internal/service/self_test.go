package service

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatch: the watchdog hears of a service that is well, and nothing of one
// that hangs or is ill.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats, hang, ill := 0, make(chan struct{}), false
		block := false
		s := &Self{within: 20 * time.Second, beat: func() { beats++ }}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Watch(ctx, func() error {
				if block {
					<-hang
				}
				if ill {
					return errors.New("ill")
				}
				return nil
			})
		}()
		time.Sleep(time.Minute + time.Second)
		if beats < 12 {
			t.Errorf("%d beats in a minute of which each 20 s need one", beats)
		}
		ill = true
		time.Sleep(6 * time.Second)
		was := beats
		time.Sleep(time.Minute)
		if beats != was {
			t.Error("a service that is ill looks well")
		}
		ill, block = false, true
		time.Sleep(6 * time.Second)
		was = beats
		time.Sleep(time.Minute)
		if beats != was {
			t.Error("a service that hangs looks well")
		}
		block = false
		close(hang)
		time.Sleep(6 * time.Second)
		if beats == was {
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
