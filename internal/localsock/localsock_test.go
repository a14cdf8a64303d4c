//go:build linux || darwin

package localsock

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func folder(t *testing.T) string {
	dir, err := os.MkdirTemp("", "sock") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func open(t *testing.T, path string, a Access) *Listener {
	t.Helper()
	l, err := Listen(path, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestPeers: both ends know each other, and who is not trusted hears nothing.
func TestPeers(t *testing.T) {
	path := filepath.Join(folder(t), "x")
	l := open(t, path, Access{})
	came := make(chan Peer, 1)
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
			c.Close()
		}
	}()
	me := strconv.Itoa(os.Geteuid())
	trust := func(p Peer) error {
		if p.User != me || !p.Owner {
			return errors.New("a stranger")
		}
		return nil
	}
	c, err := Dial(t.Context(), path, trust)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if p := <-came; p.User != me || p.PID != os.Getpid() || !p.Owner || !p.In(strconv.Itoa(os.Getegid())) {
		t.Errorf("%+v", p)
	}
	me = "no number"
	if _, err := Dial(t.Context(), path, trust); err == nil || err.Error() != "a stranger" {
		t.Errorf("not trusted: %v", err)
	}
	if _, err := Dial(t.Context(), `\\.\pipe\x`, nil); err == nil || !strings.Contains(err.Error(), "Windows") {
		t.Errorf("a pipe: %v", err)
	}
}

func TestAccess(t *testing.T) {
	for _, c := range []struct {
		a    Access
		p    Peer
		want bool
	}{
		{Access{}, Peer{Owner: true}, true},
		{Access{}, Peer{Groups: []string{"5", ""}}, false},
		{Access{"5"}, Peer{Groups: []string{"6", "5"}}, true},
		{Access{"5"}, Peer{Groups: []string{"55"}}, false},
	} {
		if c.a.Allows(c.p) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

// TestListen: the socket's mode and group are right from its first moment, what a
// crash left is replaced, and all else stays.
func TestListen(t *testing.T) {
	dir := folder(t)
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	group := os.Getegid()
	if os.Geteuid() == 0 {
		group = 4711
	}
	for _, c := range []struct {
		access Access
		mode   os.FileMode
		gid    int
	}{{Access{}, 0o600, os.Getegid()}, {Access{strconv.Itoa(group)}, 0o660, group}} {
		path := filepath.Join(dir, c.mode.String())
		open(t, path, c.access)
		fi, err := os.Lstat(path)
		if err != nil || fi.Mode().Perm() != c.mode || int(fi.Sys().(*syscall.Stat_t).Gid) != c.gid {
			t.Errorf("%v: %v %v", c, fi.Mode(), err)
		}
		if _, err := Listen(path, c.access); !errors.Is(err, ErrInUse) {
			t.Errorf("twice: %v", err)
		}
	}
	dead := filepath.Join(dir, "dead")
	d, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	d.SetUnlinkOnClose(false)
	d.Close()
	if l := open(t, dead, Access{}); !l.Stale {
		t.Error("a crash not noticed")
	}
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("mine"), 0o600), os.Symlink(dead, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		Remove(path)
		if _, err := Listen(path, Access{}); err == nil || !strings.Contains(err.Error(), "in the way") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "mine" {
		t.Errorf("somebody's file: %q %v", b, err)
	}
	if _, err := net.DialTimeout("unix", link, time.Second); err != nil {
		t.Errorf("the socket behind a link was removed: %v", err)
	}
}

func TestPipe(t *testing.T) {
	if p, err := Pipe("ped"); err != nil || p != `\\.\pipe\ped` || !IsPipe(p) {
		t.Errorf("%s %v", p, err)
	}
	for _, bad := range []string{"", `a\b`, "a/b", "c:x", "a\nb", strings.Repeat("x", 201)} {
		if _, err := Pipe(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, p := range []string{`\\.\pipe\`, "/run/x", `\\server\pipe\x`} {
		if IsPipe(p) {
			t.Errorf("%s is no pipe of this computer", p)
		}
	}
}
