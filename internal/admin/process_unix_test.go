//go:build unix

package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"openped/internal/admin/admintest"
	"openped/internal/localsock"
	"openped/internal/rundir"
)

// TestMain lets the test binary be a daemon too.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ADMIN_TEST_DAEMON"); dir != "" {
		os.Exit(daemon(dir, os.Getenv("ADMIN_TEST_HOW")))
	}
	if dir := os.Getenv("ADMIN_TEST_CALL"); dir != "" {
		os.Exit(call(dir))
	}
	if dir := os.Getenv("ADMIN_TEST_HOLD"); dir != "" {
		os.Exit(hold(dir))
	}
	if path := os.Getenv("ADMIN_TEST_DIAL"); path != "" {
		enter(path)
	}
	os.Exit(m.Run())
}

// enter tells whether a socket lets this user in.
func enter(path string) {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	if err != nil {
		fmt.Print("out")
		os.Exit(0)
	}
	fmt.Print("in")
	os.Exit(0)
}

func daemon(dir, how string) int {
	i, err := Claim(rundir.Dirs{Run: dir, State: dir}, "x")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var access, others localsock.Access
	_, _ = fmt.Sscanf(how, "group %s other %s", &access.Group, &others.Group)
	other, err := i.Listen("other.sock", others)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			if p, err := localsock.PeerOf(c); err == nil && others.Allows(p) {
				_, _ = c.Write([]byte("!"))
			}
			_ = c.Close()
		}
	}()
	wait := func(ctx context.Context, _ Body) (any, error) { <-ctx.Done(); return nil, ctx.Err() }
	d := &Daemon{Name: "x", Instance: i, Log: nowhere, ShutdownTimeout: 2 * time.Second, Access: access,
		Endpoints: map[string]Handler{
			"GET /v1/show": {Group: true, Do: func(context.Context, Body) (any, error) { return 1, nil }},
			"GET /v1/slow": {Group: true, Do: wait},
			"GET /v1/long": {Group: true, Timeout: time.Minute, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Has("wait") {
					<-r.Context().Done()
				}
			})},
			"POST /v1/say": Get(func(context.Context) (any, error) { return fmt.Fprintln(os.Stderr, "to nobody") }),
		},
		Hangup: func() { _ = os.WriteFile(filepath.Join(dir, "hangup"), nil, 0o600) }}
	err = d.Run(context.Background(), func() { fmt.Println("ready") }, func(ctx context.Context) error {
		<-ctx.Done()
		if how == "mute" { // waits for a PED that says nothing
			select {}
		}
		return nil
	})
	if err != nil {
		return 2
	}
	return 0
}

// process starts a daemon and waits until it serves.
func process(t *testing.T, d rundir.Dirs, how string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ADMIN_TEST_DAEMON="+d.Run, "ADMIN_TEST_HOW="+how)
	cmd.Stderr = os.Stderr
	if how == "unheard" {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = w
		r.Close()
		defer w.Close()
	}
	begin(t, cmd)
	return cmd
}

// begin starts a process that says when it is ready.
func begin(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
		t.Fatal("not ready")
	}
}

func empty(t *testing.T, name string, d rundir.Dirs) {
	t.Helper()
	if left, _ := os.ReadDir(d.Run); len(left) != 0 {
		t.Errorf("%s: left behind %v", name, left)
	}
}

// TestStopAnyhow: each kind of daemon is gone after a stop, with all it had, and
// another starts in its place.
func TestStopAnyhow(t *testing.T) {
	for name, c := range map[string]struct {
		how    string
		freeze bool
		force  bool
		ok     bool
	}{
		"idle":           {"", false, false, true},
		"mute PED":       {"mute", false, false, true},
		"frozen":         {"", true, false, false},
		"frozen, forced": {"", true, true, true},
	} {
		d := dirs(t)
		cmd := process(t, d, c.how)
		if c.freeze {
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		reaped := make(chan struct{})
		go func() { _, _ = cmd.Process.Wait(); close(reaped) }()
		const timeout = 4 * time.Second
		begin := time.Now()
		err := Stop(t.Context(), d, "x", timeout, c.force, "other.sock")
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begin); took > timeout+killWait {
			t.Errorf("%s: %v", name, took)
		}
		if !c.ok {
			continue
		}
		<-reaped
		empty(t, name, d)
		process(t, d, "")
		if err := Stop(t.Context(), d, "x", timeout, false); err != nil {
			t.Errorf("%s: stop of the next: %v", name, err)
		}
	}
}

// TestNobodyReadsTheLog: the journal that reads standard error has died.
func TestNobodyReadsTheLog(t *testing.T) {
	d := dirs(t)
	cmd := process(t, d, "unheard")
	go func() { _, _ = cmd.Process.Wait() }()
	c, err := NewClient(d, "x", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Post(t.Context(), "/v1/say", nil, nil); err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("it was written to somebody: %v", err)
	}
	if err := c.Get(t.Context(), "/v1/show", new(int)); err != nil {
		t.Errorf("it ended with its reader: %v", err)
	}
	if err := Stop(t.Context(), d, "x", 4*time.Second, false); err != nil {
		t.Error(err)
	}
}

// TestSweep: it takes nothing from a daemon that lives.
func TestSweep(t *testing.T) {
	d := dirs(t)
	Sweep(rundir.Dirs{Run: filepath.Join(d.Run, "missing")}, "x")
	cmd := process(t, d, "")
	Sweep(d, "x", "other.sock")
	if left, _ := os.ReadDir(d.Run); len(left) != 3 {
		t.Errorf("%v", left)
	}
	_ = cmd.Process.Kill()
	_, _ = cmd.Process.Wait()
	if left, _ := os.ReadDir(d.Run); len(left) != 3 {
		t.Errorf("nothing left to sweep: %v", left)
	}
	Sweep(d, "x", "other.sock")
	empty(t, "swept", d)
}

// TestNumberUsedAgain: the number that a crashed daemon had is another process's
// now, which neither keeps the next from starting nor is ended with it.
func TestNumberUsedAgain(t *testing.T) {
	d := dirs(t)
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = other.Wait(); close(ended) }()
	defer func() { _ = other.Process.Kill(); <-ended }()
	if err := os.WriteFile(filepath.Join(d.Run, "x.lock"), fmt.Appendf(nil, "%d 1\n", other.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Stop(t.Context(), d, "x", time.Second, true); !errors.Is(err, ErrNotRunning) {
		t.Errorf("%v", err)
	}
	cmd := process(t, d, "")
	go func() { _, _ = cmd.Process.Wait() }()
	if err := Stop(t.Context(), d, "x", 4*time.Second, true); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
		t.Error("the other process was ended")
	default:
	}
}

func TestHangup(t *testing.T) {
	admintest.HangupsCount()
	d := dirs(t)
	cmd := process(t, d, "")
	go func() { _, _ = cmd.Process.Wait() }()
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(d.Run, "hangup")); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("not told")
		}
	}
	if err := Stop(t.Context(), d, "x", 4*time.Second, false); err != nil {
		t.Error(err)
	}
}

// TestOwnerInAFlood: 200 connections a second that say nothing or nonsense do not
// keep the owner from asking, nor from stopping the daemon.
func TestOwnerInAFlood(t *testing.T) {
	d := dirs(t)
	cmd := process(t, d, "")
	go func() { _, _ = cmd.Process.Wait() }()
	path := filepath.Join(d.Run, "x.sock")
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	defer flood.Wait()
	defer cancel()
	var open sync.Map
	var count, refused atomic.Int64
	flood.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			c, err := net.DialTimeout("unix", path, time.Second)
			if err != nil {
				refused.Add(1)
				continue
			}
			open.Store(c, nil)
			if count.Add(1)%2 == 0 {
				_, _ = c.Write([]byte("\x16\x03\x01 no HTTP at all \x00\xff"))
			}
		}
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
	})
	c, err := NewClient(d, "x", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		if err := c.Get(t.Context(), "/v1/show", new(int)); err != nil {
			t.Fatalf("after %d connections: %v", count.Load(), err)
		}
	}
	if n := count.Load(); n < 2*localPlaces {
		t.Fatalf("%d connections (%d refused) are no flood", n, refused.Load())
	}
	if err := Stop(t.Context(), d, "x", 5*time.Second, false); err != nil {
		t.Errorf("stop: %v", err)
	}
}
