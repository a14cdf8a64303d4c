package localsock

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

func pipePath(t *testing.T) string {
	t.Helper()
	path, err := Pipe(fmt.Sprintf("openped-test-%d-%s-%d", os.Getpid(), strings.ToLower(t.Name()), time.Now().UnixNano()))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// echo answers each caller with what it says of itself, and says of it what the
// system does.
func echo(t *testing.T, l *Listener) <-chan Peer {
	came := make(chan Peer, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p, err := PeerOf(c)
			if err != nil {
				t.Error(err)
			}
			came <- p
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return came
}

// TestPipes: both ends know each other before anything is said, a pipe has one
// maker, and its list is the one that was meant.
//
// With another disposition than that of the first instance (go-winio) the second
// Listen succeeds.
func TestPipes(t *testing.T) {
	me, err := winacl.User()
	if err != nil {
		t.Fatal(err)
	}
	path := pipePath(t)
	l, err := Listen(path, Access{})
	if err != nil {
		t.Fatal(err)
	}
	came := echo(t, l)
	if _, err := Listen(path, Access{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second maker: %v", err)
	}
	c, err := Dial(t.Context(), path, func(p Peer) error {
		if !p.Owner || !winacl.Among(p.User, me, winacl.Administrators) || p.PID != os.Getpid() {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := <-came; p.User != me || p.PID != os.Getpid() || !p.Owner || !(Access{}).Allows(p) {
		t.Errorf("%+v", p)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 5)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("%q %v", b, err)
	}
	h, _ := handle(c)
	sd, err := windows.GetSecurityInfo(h, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(sd.String())
	for _, group := range []string{";WD)", ";BU)", ";AU)", ";AN)"} {
		if strings.Contains(sd.String(), group) {
			t.Errorf("everybody may: %s", sd)
		}
	}
	c.Close()
	if _, err := Dial(t.Context(), path, func(Peer) error { return errors.New("a stranger") }); err == nil || err.Error() != "a stranger" {
		t.Errorf("not trusted: %v", err)
	}
	l.Close()
	if _, err := Dial(t.Context(), path, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("closed: %v", err)
	}
	if l, err = Listen(path, Access{}); err != nil {
		t.Errorf("again: %v", err)
	} else {
		l.Close()
	}
}

// TestGroupPipe: who comes by the group's pipe is a member and nothing more.
func TestGroupPipe(t *testing.T) {
	const users = "S-1-5-32-545"
	path := pipePath(t)
	l, err := Listen(path, Access{Group: users})
	if err != nil {
		t.Fatal(err)
	}
	came := echo(t, l)
	for _, c := range []struct {
		path   string
		member bool
	}{{path, false}, {path + groupPipe, true}, {path, false}} {
		conn, err := Dial(t.Context(), c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if p := <-came; p.Owner == c.member || p.In(users) != c.member || !l.Access.Allows(p) {
			t.Errorf("%s: %+v", c.path, p)
		}
		conn.Close()
	}
	l.Close()
	for _, p := range []string{path, path + groupPipe} {
		if _, err := Dial(t.Context(), p, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s, closed: %v", p, err)
		}
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
}
