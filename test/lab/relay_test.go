package lab

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"openped/protocol"
)

// through returns both ends of a connection through a relay.
func through(t *testing.T, hook func(Frame) Verdict) (*Relay, net.Conn, net.Conn) {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	r, err := NewRelay(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	r.OnFrame(hook)
	near, err := net.Dial("tcp", r.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{near, far} {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		t.Cleanup(func() { c.Close() })
	}
	return r, near, far
}

func send(t *testing.T, w io.Writer, bodies ...protocol.Body) {
	t.Helper()
	for _, b := range bodies {
		if err := protocol.WriteBody(w, b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRelayCounts(t *testing.T) {
	var seen []Frame
	r, near, far := through(t, func(f Frame) Verdict { seen = append(seen, f); return Pass })
	send(t, near, protocol.Ping{Token: 1}, protocol.PEDFrame{Bytes: []byte("abc")})
	for range 2 {
		if _, err := protocol.ReadFrame(far); err != nil {
			t.Fatal(err)
		}
	}
	send(t, far, protocol.PEDFrame{Bytes: []byte("defg")})
	if f, err := protocol.ReadFrame(near); err != nil || string(f.Body) != "defg" {
		t.Fatalf("%v %v", f, err)
	}
	want := []Frame{
		{ToServer, 1, 0, protocol.FramePing, 4}, {ToServer, 2, 1, protocol.FramePED, 3}, {ToClient, 1, 1, protocol.FramePED, 4},
	}
	r.OnFrame(nil)
	if !slices.Equal(seen, want) {
		t.Errorf("%v", seen)
	}
	if n, ped := r.Count(ToServer); n != 2 || ped != 1 || len(r.Recorded()) != 3*8+4+3+4 {
		t.Errorf("%d frames, %d of a PED, %d bytes", n, ped, len(r.Recorded()))
	}
}

func TestRelayCut(t *testing.T) {
	_, near, far := through(t, func(f Frame) Verdict {
		if f.N == 2 {
			return Cut
		}
		return Pass
	})
	send(t, near, protocol.Ping{Token: 1}, protocol.Ping{Token: 2})
	if _, err := protocol.ReadFrame(far); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{near, far} {
		if _, err := protocol.ReadFrame(c); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("not cut: %v", err)
		}
	}
}

func TestRelayStall(t *testing.T) {
	_, near, far := through(t, func(Frame) Verdict { return Stall })
	send(t, near, protocol.Ping{Token: 1})
	send(t, far, protocol.Ping{Token: 2})
	for _, c := range []net.Conn{near, far} {
		_ = c.SetDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := protocol.ReadFrame(c); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("not silent: %v", err)
		}
	}
}
