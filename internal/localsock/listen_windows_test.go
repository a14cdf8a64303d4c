package localsock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
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
// Without FILE_FLAG_FIRST_PIPE_INSTANCE the second Listen succeeds.
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
	if wine() {
		t.Log("Wine does not know of first instances")
	} else if _, err := Listen(path, Access{}); !errors.Is(err, ErrInUse) {
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
	raw, err := c.(*conn).f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sd *windows.SECURITY_DESCRIPTOR
	if e := raw.Control(func(fd uintptr) {
		sd, err = windows.GetSecurityInfo(windows.Handle(fd), windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	}); e != nil || err != nil {
		t.Fatal(e, err)
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

// wine reports whether this is not Windows.
func wine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

// TestPipeConn: a pipe has time limits, ends as a socket does, and takes many
// callers at a time.
func TestPipeConn(t *testing.T) {
	path := pipePath(t)
	l, err := Listen(path, Access{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial := func() (near, far net.Conn) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		came := make(chan net.Conn, 1)
		go func() { c, _ := l.Accept(); came <- c }()
		c, err := Dial(ctx, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c, <-came
	}
	near, far := dial()
	_ = near.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err = near.Read(make([]byte, 1))
	var late net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("a read without end: %v", err)
	}
	_ = near.SetReadDeadline(time.Time{})
	// What was said before the end is heard.
	if _, err := far.Write([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	far.Close()
	if b, err := io.ReadAll(near); string(b) != "bye" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	if _, err := near.Write([]byte("?")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("written to nobody: %v", err)
	}
	near.Close()
	near, far = dial()
	// A write that nobody takes ends in time, and so does a read that is closed.
	_ = near.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := near.Write(make([]byte, 4<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write without end: %v", err)
	}
	done := make(chan error, 1)
	go func() { _, err := near.Read(make([]byte, 1)); done <- err }()
	time.Sleep(20 * time.Millisecond)
	near.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while it reads: %v", err)
	}
	far.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			c, err := Dial(ctx, path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			said := bytes.Repeat([]byte{byte(i)}, 3000)
			if _, err = c.Write(said); err == nil {
				heard := make([]byte, len(said))
				if _, err = io.ReadFull(c, heard); err == nil && !bytes.Equal(said, heard) {
					err = errors.New("another's words")
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
