package secrets

import (
	"bytes"
	"net"
	"os"
	"sync"
	"testing"

	"openped/test/lab"
)

// cable is a stretch of the USB cable: a relay on the PED's socket that keeps a
// copy of all bytes.
type cable struct {
	l net.Listener

	mu     sync.Mutex
	copied [2]bytes.Buffer // to the PED, from the PED
	conns  []net.Conn
}

// newCable takes the place of the PED's socket: pedserver comes by here. softped
// must be running and pedserver not.
func newCable(t *testing.T, l *lab.Lab) *cable {
	t.Helper()
	sock, real := l.Path("ped.sock"), l.Path("ped.real")
	if err := os.Rename(sock, real); err != nil {
		t.Fatal(err)
	}
	c := &cable{}
	var err error
	if c.l, err = net.Listen("unix", sock); err != nil {
		t.Fatal(err)
	}
	go c.serve(real)
	t.Cleanup(c.close)
	return c
}

func (c *cable) serve(to string) {
	for {
		near, err := c.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("unix", to)
		if err != nil {
			near.Close()
			continue
		}
		c.mu.Lock()
		c.conns = append(c.conns, near, far)
		c.mu.Unlock()
		go c.pass(far, near, 0)
		go c.pass(near, far, 1)
	}
}

func (c *cable) pass(to, from net.Conn, way int) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		c.copied[way].Write(buf[:n])
		c.mu.Unlock()
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

// recorded returns what has passed, the two directions apart.
func (c *cable) recorded() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return [][]byte{bytes.Clone(c.copied[0].Bytes()), bytes.Clone(c.copied[1].Bytes())}
}

func (c *cable) close() {
	c.l.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.conns {
		x.Close()
	}
}
