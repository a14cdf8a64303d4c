package main

import (
	"bytes"
	"io"
	"net"
	"sync"
)

// tap is a stretch of the network between pedclient and pedserver: it passes
// everything on and keeps a copy, as anybody on the way could.
type tap struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	bytes bytes.Buffer
	conns map[net.Conn]bool
}

// newTap listens on a free port and passes connections on to addr.
func newTap(addr string) (*tap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tap{l: l, to: addr, conns: map[net.Conn]bool{}}
	go t.serve()
	return t, nil
}

func (t *tap) port() int { return t.l.Addr().(*net.TCPAddr).Port }

func (t *tap) serve() {
	for {
		near, err := t.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", t.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		t.mu.Lock()
		t.conns[near], t.conns[far] = true, true
		t.mu.Unlock()
		go t.pass(near, far)
		go t.pass(far, near)
	}
}

func (t *tap) pass(to, from net.Conn) {
	_, _ = io.Copy(io.MultiWriter(to, t), from)
	_ = to.Close()
	_ = from.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, to)
	delete(t.conns, from)
}

// Write keeps what passes. Both directions end in one pile: secrets would be
// whole within one write of their sender.
func (t *tap) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes.Write(b)
}

// recorded returns a copy of everything that passed.
func (t *tap) recorded() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.bytes.Bytes())
}

func (t *tap) close() {
	_ = t.l.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		_ = c.Close()
	}
}

// freePort returns a TCP port that nobody has now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
