//go:build unix

package back

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"openped/internal/localsock"
	"openped/protocol"
	"openped/softped/softpedtest"
	"openped/usbped"
)

func listenAt(t *testing.T, path string) *Listener {
	t.Helper()
	l, err := Listen(path, localsock.Access{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestOneHostAtATime(t *testing.T) {
	p, _ := softpedtest.NewPED(t, nil)
	path := filepath.Join(t.TempDir(), "ped")
	l := listenAt(t, path)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.ServePED(ctx, p) }()
	dev, err := usbped.SocketOpener{Path: path}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if i := dev.Info(); i != p.Info() || !i.Software {
		t.Errorf("%+v", i)
	}
	m, err := dev.Recv(t.Context())
	if err != nil || m.Event == nil || m.Event.Kind != protocol.EvtState || m.Event.Mode != protocol.PEDModeRemote {
		t.Fatalf("%+v %v", m, err)
	}
	if _, err := (usbped.SocketOpener{Path: path}).Open(t.Context()); !errors.Is(err, usbped.ErrInUse) {
		t.Errorf("second host: %v", err)
	}
	if err := p.SetMode(protocol.PEDModePair); err != nil {
		t.Fatal(err)
	}
	if m, err = dev.Recv(t.Context()); err != nil || m.Event == nil || m.Event.Mode != protocol.PEDModePair {
		t.Fatalf("%+v %v", m, err)
	}
	dev.Close()
	// As soon as the first has gone the next one is welcome.
	for end := time.Now().Add(10 * time.Second); ; {
		if dev, err = (usbped.SocketOpener{Path: path}).Open(t.Context()); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	dev.Close()
	l.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket left behind: %v", err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ped")
	l := listenAt(t, path)
	if _, err := Listen(path, localsock.Access{}); !errors.Is(err, ErrSocketInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	l.Close()
	// A socket that a killed process left.
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	listenAt(t, path)
	// One that somebody listens on without our lock, a file, a name too long.
	other := filepath.Join(dir, "other")
	alive, err := net.Listen("unix", other)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if _, err := Listen(other, localsock.Access{}); !errors.Is(err, ErrSocketInUse) {
		t.Errorf("%v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file, localsock.Access{}); err == nil {
		t.Error("a file was taken for a socket")
	}
	if b, _ := os.ReadFile(file); string(b) != "x" {
		t.Error("the file was touched")
	}
	if _, err := Listen(filepath.Join(dir, strings.Repeat("x", 120)), localsock.Access{}); err == nil {
		t.Error("a path too long was taken")
	}
}

func TestControl(t *testing.T) {
	p, _ := softpedtest.NewPED(t, nil)
	path := filepath.Join(t.TempDir(), "ctl")
	l := listenAt(t, path)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.ServeControl(ctx, p, nil) }()
	talk := func(line string) string {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(line + "\n")); err != nil {
			t.Fatal(err)
		}
		answer, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(answer)
	}
	for _, c := range [][2]string{{"press <", "ok"}, {"wait menu", "ok menu"}, {"wait menu 1", "ok menu"}, {"press 9", "ok"}, {"wait idle", "ok idle"}, {"quit", "ok"}, {"hello", "err unknown command: use insert, remove, press, wait, screen, keys, blank, mode, plug, unplug or quit"}} {
		if got := talk(c[0]); got != c[1] {
			t.Errorf("%s: %s", c[0], got)
		}
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("wait never\n")); err != nil {
		t.Fatal(err)
	}
	stop() // ends connections that wait
	if err := <-done; err != nil {
		t.Error(err)
	}
}
