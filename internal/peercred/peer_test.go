//go:build linux

package peercred

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFilterRefuses(t *testing.T) {
	dir, err := os.MkdirTemp("", "peer") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan Peer, 1)
	go Filter{UnixListener: l, Allow: func(Peer) bool { return false }, Refuse: func(p Peer, _ error) { told <- p }}.Accept()
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("refused peer got %v", err)
	}
	if p := <-told; p.UID != os.Geteuid() || p.PID != os.Getpid() {
		t.Errorf("%+v", p)
	}
}

func TestPeer(t *testing.T) {
	me := os.Geteuid()
	for _, c := range []struct {
		p    Peer
		want bool
	}{{Peer{UID: 0}, true}, {Peer{UID: me}, true}, {Peer{UID: me + 1}, false}} {
		if c.p.Owner() != c.want {
			t.Errorf("%+v", c)
		}
	}
	p := Peer{GID: 5, Groups: []int{6}}
	if !p.InGroup(5) || !p.InGroup(6) || p.InGroup(7) || (Peer{GID: -1}).InGroup(-1) {
		t.Error("InGroup is wrong")
	}
}
