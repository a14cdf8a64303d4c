package secrets

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"openped/protocol"
)

// link is an HSM's connection to a PED by pedserver, as pedclient has it; it is
// an hsm.FrameConn.
type link struct {
	c    net.Conn
	in   chan []byte
	done chan struct{}
	mu   sync.Mutex // of writes
	once sync.Once
}

func dial(port int, serial string) (*link, error) {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	l := &link{c: c, in: make(chan []byte), done: make(chan struct{})}
	err = l.write(protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "test"})
	if err == nil {
		err = l.write(protocol.Acquire{HSMSerial: serial})
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	go l.read()
	return l, nil
}

func (l *link) read() {
	defer l.Close()
	for {
		f, err := protocol.ReadFrame(l.c)
		if err != nil {
			return
		}
		b, err := f.Decode()
		if err != nil {
			return
		}
		switch b := b.(type) {
		case protocol.PEDFrame:
			select {
			case l.in <- b.Bytes:
			case <-l.done:
				return
			}
		case protocol.Ping:
			if l.write(protocol.Pong(b)) != nil {
				return
			}
		case protocol.Error, protocol.Busy:
			return
		}
	}
}

func (l *link) write(b protocol.Body) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return protocol.WriteBody(l.c, b)
}

func (l *link) Send(_ context.Context, f []byte) error { return l.write(protocol.PEDFrame{Bytes: f}) }

func (l *link) Recv(ctx context.Context) ([]byte, error) {
	select {
	case f := <-l.in:
		return f, nil
	case <-l.done:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *link) Close() error {
	l.once.Do(func() {
		close(l.done)
		_ = l.write(protocol.Release{})
		l.c.Close()
	})
	return nil
}
