package functionfs

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// packetRoom is how much is asked of bulk OUT at once. Every frame ends with a
// short packet, which is when the kernel gives what has come.
const packetRoom = 16 << 10

// lockThread keeps the goroutine on a thread that Go's signal for preemption
// does not reach: it would interrupt a transfer and lose its data. The thread
// ends with the goroutine.
func lockThread() {
	runtime.LockOSThread()
	var set unix.Sigset_t
	set.Val[0] = 1 << (unix.SIGURG - 1)
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
}

// reader reads bulk OUT until the gadget is closed.
func reader(fd int, on *enabled, l *lanes) {
	lockThread()
	buf := make([]byte, packetRoom)
	for {
		since, open := on.wait()
		if !open {
			return
		}
		n, err := unix.Read(fd, buf)
		if err != nil {
			on.pause(since, err)
			continue
		}
		if n > 0 {
			l.deliver(buf[:n])
		}
	}
}

// writer writes the jobs of a lane until the gadget is closed.
func writer(fd int, on *enabled, lane <-chan job) {
	lockThread()
	for {
		select {
		case j := <-lane:
			_, err := unix.Write(fd, j.b)
			j.done <- err
		case <-on.closed:
			return
		}
	}
}

// enabled tells the threads when there is a host.
type enabled struct {
	closed chan struct{}

	mu      sync.Mutex
	changed sync.Cond
	on      bool
	since   uint64 // counts the changes
	over    bool
}

func newEnabled() *enabled {
	e := &enabled{closed: make(chan struct{})}
	e.changed.L = &e.mu
	return e
}

func (e *enabled) set(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.on = on
	e.since++
	e.changed.Broadcast()
}

func (e *enabled) now() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.on
}

func (e *enabled) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		e.over = true
		close(e.closed)
	}
	e.changed.Broadcast()
}

// wait waits for a host; it is false when the gadget is closed.
func (e *enabled) wait() (since uint64, open bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.on && !e.over {
		e.changed.Wait()
	}
	return e.since, !e.over
}

// pause holds on after an error: the event that explains it is on its way.
func (e *enabled) pause(since uint64, err error) {
	if errors.Is(err, unix.EINTR) {
		return
	}
	for range 10 {
		e.mu.Lock()
		news := e.since != since || e.over
		e.mu.Unlock()
		if news {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
