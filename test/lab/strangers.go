package lab

import (
	"crypto/rand"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Strangers are callers that nobody asked for. They call at a rate; every second
// one says nothing, the others talk garbage, and all stay until they are dropped
// or the flood ends.
type Strangers struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool
	over bool

	called, refused, most atomic.Int64
}

// strangersStay is how long one stays who is not dropped.
const strangersStay = 30 * time.Second

// Flood has strangers call perSecond times a second until End. dial has the
// number of the call; it must not take long.
func Flood(perSecond int, dial func(n int) (net.Conn, error)) *Strangers {
	s := &Strangers{stop: make(chan struct{}), open: map[net.Conn]bool{}}
	s.wg.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-s.stop:
				return
			case <-tick.C:
				s.wg.Go(func() { s.call(n, dial) })
			}
		}
	})
	return s
}

func (s *Strangers) call(n int, dial func(int) (net.Conn, error)) {
	s.called.Add(1)
	c, err := dial(n)
	if err != nil {
		s.refused.Add(1)
		return
	}
	defer c.Close()
	if !s.enter(c) {
		return
	}
	defer s.leave(c)
	_ = c.SetDeadline(time.Now().Add(strangersStay))
	if n%2 == 1 {
		garbage := make([]byte, 4096)
		_, _ = rand.Read(garbage)
		_, _ = c.Write(garbage)
	}
	buf := make([]byte, 512)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

func (s *Strangers) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.open[c] = true
	s.most.Store(max(s.most.Load(), int64(len(s.open))))
	return true
}

func (s *Strangers) leave(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// Called is how many have called, refused how many did not get so far as to be
// connected, and most how many were connected at the same time.
func (s *Strangers) Called() (called, refused, most int) {
	return int(s.called.Load()), int(s.refused.Load()), int(s.most.Load())
}

// End sends all of them away.
func (s *Strangers) End() {
	close(s.stop)
	s.mu.Lock()
	s.over = true
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
