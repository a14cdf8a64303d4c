package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"openped/internal/localsock"
	"openped/internal/rundir"
)

func dirs(t *testing.T) rundir.Dirs {
	t.Helper()
	d, err := os.MkdirTemp("", "adm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d) })
	return rundir.Dirs{Run: d, State: d}
}

// onWindows: pipes are in no folder, and go with their process.
const onWindows = runtime.GOOS == "windows"

type hinted struct{}

func (hinted) Error() string { return "no" }
func (hinted) Hint() string  { return "try again" }

func TestCalls(t *testing.T) {
	d := dirs(t)
	i, err := Claim(d, "x")
	if err != nil || i.Stale {
		t.Fatal(err, i)
	}
	l, err := i.Listen("x.sock", localsock.Access{})
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(d.Run, "x.sock")); !onWindows && (err != nil || fi.Mode().Perm() != 0o600) {
		t.Errorf("%v %v", fi, err)
	}
	s := NewServer(t.Context(), slog.New(slog.DiscardHandler), map[string]Handler{
		"GET /v1/show":  Get(func(context.Context) (any, error) { return map[string]int{"a": 1}, nil }),
		"POST /v1/fail": Get(func(context.Context) (any, error) { return nil, hinted{} }),
	})
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()

	c, err := NewClient(d, "x", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ A int }
	if err := c.Get(t.Context(), "/v1/show", &out); err != nil || out.A != 1 {
		t.Errorf("%v %v", out, err)
	}
	if err := c.Post(t.Context(), "/v1/fail", nil, &out); err == nil || err.Error() != "no; try again" {
		t.Errorf("%v", err)
	}
	if err := c.Post(t.Context(), "/v1/show", nil, &out); err == nil || !strings.Contains(err.Error(), "405") {
		t.Errorf("wrong method: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s.Shutdown(ctx)
	if err := <-done; err != nil {
		t.Error(err)
	}
	i.Close()
	if err := WaitGone(ctx, d, "x"); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(d.Run); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := c.Get(t.Context(), "/v1/show", &out); !errors.Is(err, ErrNotRunning) {
		t.Errorf("%v", err)
	}
}

func TestOneInstance(t *testing.T) {
	d := dirs(t)
	i, err := Claim(d, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if _, err := Claim(d, "x"); !errors.Is(err, ErrRunning) {
		t.Errorf("second instance: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := WaitGone(ctx, d, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a living process taken as gone: %v", err)
	}
}

func TestCrashIsCleared(t *testing.T) {
	d := dirs(t)
	if os.Getenv("ADMIN_TEST_CRASH") != "" {
		i, err := Claim(rundir.Dirs{Run: os.Getenv("ADMIN_TEST_CRASH")}, "x")
		if err == nil {
			_, err = i.Listen("x.sock", localsock.Access{})
		}
		if err != nil {
			os.Exit(1)
		}
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashIsCleared$")
	cmd.Env = append(os.Environ(), "ADMIN_TEST_CRASH="+d.Run)
	if err := cmd.Run(); err == nil {
		t.Fatal("did not crash")
	}
	if _, err := os.Lstat(filepath.Join(d.Run, "x.sock")); err != nil && !onWindows {
		t.Fatal("nothing left behind to test with")
	}
	c, err := NewClient(d, "x", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), "/v1/show", nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("crashed daemon: %v", err)
	}
	i, err := Claim(d, "x")
	if err != nil || !i.Stale {
		t.Fatalf("%v %+v", err, i)
	}
	defer i.Close()
	l, err := i.Listen("x.sock", localsock.Access{})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestForeignFileInTheWay(t *testing.T) {
	if onWindows {
		t.Skip("no file is in a pipe's way")
	}
	d := dirs(t)
	i, err := Claim(d, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if err := os.WriteFile(filepath.Join(d.Run, "x.sock"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Listen("x.sock", localsock.Access{}); err == nil {
		t.Error("somebody's file was replaced")
	}
}

func TestRunStops(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(context.Context) error
		ok    bool
	}{
		"obeys":      {func(ctx context.Context) error { <-ctx.Done(); return nil }, true},
		"hangs":      {func(ctx context.Context) error { select {} }, false},
		"ends":       {func(ctx context.Context) error { return nil }, true},
		"ends badly": {func(ctx context.Context) error { return io.ErrUnexpectedEOF }, false},
	} {
		d := dirs(t)
		i, err := Claim(d, "x")
		if err != nil {
			t.Fatal(err)
		}
		dm := &Daemon{Name: "x", Instance: i, Log: slog.New(slog.DiscardHandler), ShutdownTimeout: 100 * time.Millisecond}
		ready := make(chan struct{})
		done := make(chan error, 1)
		go func() { done <- dm.Run(context.Background(), func() { close(ready) }, c.serve) }()
		<-ready
		if strings.HasPrefix(name, "ends") {
			// by itself
		} else if err := Stop(t.Context(), d, "x", 5*time.Second, false); err != nil {
			t.Errorf("%s: stop: %v", name, err)
		}
		if err := <-done; (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		// Windows removes no file that another looks at: the lock stays, and is nobody's.
		if left, _ := os.ReadDir(d.Run); len(left) != 0 && !onWindows {
			t.Errorf("%s: left behind %v", name, left)
		}
	}
}

// TestStopWithoutSocket: a daemon whose socket is not there, or not yet, ends all
// the same.
func TestStopWithoutSocket(t *testing.T) {
	for name, late := range map[string]time.Duration{"socket removed": 0, "starting": 300 * time.Millisecond} {
		d := dirs(t)
		i, err := Claim(d, "x")
		if err != nil {
			t.Fatal(err)
		}
		dm := &Daemon{Name: "x", Instance: i, Log: slog.New(slog.DiscardHandler), ShutdownTimeout: time.Second}
		done, ready := make(chan error, 1), make(chan struct{})
		go func() {
			<-time.After(late)
			done <- dm.Run(context.Background(), func() { close(ready) }, func(ctx context.Context) error { <-ctx.Done(); return nil })
		}()
		if late == 0 {
			<-ready
			if err := os.Remove(filepath.Join(d.Run, "x.sock")); err != nil && !onWindows {
				t.Fatal(err)
			}
		}
		if err := Stop(t.Context(), d, "x", 4*time.Second, false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := Stop(t.Context(), d, "x", time.Second, true); !errors.Is(err, ErrNotRunning) {
			t.Errorf("%s: stopped twice: %v", name, err)
		}
	}
}

// TestStopNamesNobody: a lock that does not tell its holder kills nobody, least
// of all the process that had its number before.
func TestStopNamesNobody(t *testing.T) {
	if onWindows {
		t.Skip("there is no program called sleep")
	}
	d := dirs(t)
	i, err := Claim(d, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if err := os.WriteFile(filepath.Join(d.Run, "x.lock"), fmt.Appendf(nil, "%d 1\n", cmd.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	err = Stop(t.Context(), d, "x", 200*time.Millisecond, true)
	if err == nil || errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "does not tell") {
		t.Errorf("%v", err)
	}
	if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the process is gone: %v", err)
	}
}
