package lab

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Two hosts hear each other over their cable, not without it, and not by another
// host's addresses.
func TestNetwork(t *testing.T) {
	n := NewNetwork(t)
	a, b, alone := n.Host("a"), n.Host("b"), n.Host("c")
	n.Cable("eth0", a, b)
	a.Add("eth0", "10.77.0.1/24")
	b.Add("eth0", "10.77.0.2/24")
	a.Add("eth0", "fd77::1/64")
	b.Add("eth0", "fd77::2/64")
	for _, at := range []string{"10.77.0.2:1503", "[fd77::2]:1503"} {
		l, err := b.Listen(at)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		reach := func(from *Host) error {
			c, err := from.Dial(net.Dialer{Timeout: 300 * time.Millisecond}, at)
			if err == nil {
				_ = c.Close()
			}
			return err
		}
		again := func() error { return Poll(10*time.Second, "connect", func() error { return reach(a) }) }
		if err := again(); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		if err := reach(alone); err == nil {
			t.Errorf("%s is reached without a cable", at)
		}
		if at[0] == '[' {
			continue // Down takes the address away
		}
		b.Down("eth0")
		if err := reach(a); err == nil {
			t.Errorf("%s is reached over a dead cable", at)
		}
		b.Up("eth0")
		b.Add("eth0", "fd77::2/64")
		if err := again(); err != nil {
			t.Errorf("%s after the cable came back: %v", at, err)
		}
		a.Swallow("10.77.0.2/32")
		if err := reach(a); err == nil {
			t.Errorf("%s is reached through a black hole", at)
		}
		a.Deliver("10.77.0.2/32")
		b.Shut(1503)
		if err := reach(a); err == nil {
			t.Errorf("%s is reached through a firewall", at)
		}
		b.Open(1503)
		if err := again(); err != nil {
			t.Errorf("%s after the firewall opened: %v", at, err)
		}
	}
}

func TestDiskIsFull(t *testing.T) {
	d := NewDisk(t, t.TempDir(), "64k")
	file := filepath.Join(d.Dir, "x")
	write := func(n int) error { return os.WriteFile(file, make([]byte, n), 0o600) }
	d.Fill(4096)
	if err := write(4096); err != nil {
		t.Errorf("there was to be room: %v", err)
	}
	if err := write(4097); err == nil {
		t.Error("there was to be no room")
	}
	d.Free()
	if err := write(20000); err != nil {
		t.Error(err)
	}
	d.Seal()
	if err := write(1); err == nil {
		t.Error("a sealed disk was written to")
	}
	d.Unseal()
	if err := write(1); err != nil {
		t.Error(err)
	}
}
