package hsmtest

import (
	"context"
	"io"
	"sync"
)

// Conn is one end of an in-memory frame connection; it implements
// hsm.FrameConn. Frames are queued without limit, and copied.
type Conn struct {
	in, out *queue
	// Tap, if set before use, sees and may change or drop (nil) every frame sent.
	Tap func(frame []byte) []byte
}

// Pipe returns the two ends of a connection.
func Pipe() (*Conn, *Conn) {
	a, b := newQueue(), newQueue()
	return &Conn{in: a, out: b}, &Conn{in: b, out: a}
}

// Send implements hsm.FrameConn.
func (c *Conn) Send(ctx context.Context, frame []byte) error {
	f := append([]byte(nil), frame...)
	if c.Tap != nil {
		if f = c.Tap(f); f == nil {
			return nil
		}
	}
	return c.out.put(f)
}

// Recv implements hsm.FrameConn. What was sent before the end is still read.
func (c *Conn) Recv(ctx context.Context) ([]byte, error) { return c.in.get(ctx) }

// Close implements hsm.FrameConn: both ends see it.
func (c *Conn) Close() error {
	c.in.close(false)
	c.out.close(false)
	return nil
}

// Cut closes both ends, and what is under way is lost.
func (c *Conn) Cut() {
	c.in.close(true)
	c.out.close(true)
}

type queue struct {
	mu     sync.Mutex
	frames [][]byte
	more   chan struct{}
	closed bool
	done   chan struct{}
}

func newQueue() *queue { return &queue{more: make(chan struct{}, 1), done: make(chan struct{})} }

func (q *queue) put(f []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return io.ErrClosedPipe
	}
	q.frames = append(q.frames, f)
	select {
	case q.more <- struct{}{}:
	default:
	}
	return nil
}

func (q *queue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.frames) == 0 {
		return nil
	}
	f := q.frames[0]
	q.frames = q.frames[1:]
	return f
}

func (q *queue) get(ctx context.Context) ([]byte, error) {
	for {
		if f := q.take(); f != nil {
			return f, nil
		}
		select {
		case <-q.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.done:
			if f := q.take(); f != nil {
				return f, nil
			}
			return nil, io.EOF
		}
	}
}

func (q *queue) close(lose bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if lose {
		q.frames = nil
	}
	if !q.closed {
		q.closed = true
		close(q.done)
	}
}
