package main

import (
	"bytes"
	"io"
	"net"
	"sync"
)

// memoryPipe is a pair of connections through memory. Writes never wait, unlike
// net.Pipe's: a kernel's socket buffers would take a handshake whole, too.
func memoryPipe() (net.Conn, net.Conn) {
	a, b := newQueue(), newQueue()
	return &memoryConn{in: a, out: b}, &memoryConn{in: b, out: a}
}

// memoryConn has no addresses and no deadlines: a call of one panics.
type memoryConn struct {
	net.Conn
	in, out *queue
}

func (c *memoryConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *memoryConn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both directions, so that no peer waits.
func (c *memoryConn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

type queue struct {
	mu     sync.Mutex
	some   sync.Cond
	buf    bytes.Buffer
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.some.L = &q.mu
	return q
}

func (q *queue) read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.buf.Len() == 0 {
		if q.closed {
			return 0, io.EOF
		}
		q.some.Wait()
	}
	return q.buf.Read(p)
}

func (q *queue) write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, io.ErrClosedPipe
	}
	q.some.Signal()
	return q.buf.Write(p)
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.some.Broadcast()
}
