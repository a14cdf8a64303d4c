package background

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// await waits until something is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never %s", what)
		}
	}
}

// pidIn waits for the process number that a background process wrote.
func pidIn(t *testing.T, path string) (pid int) {
	t.Helper()
	await(t, "started", func() bool {
		b, err := os.ReadFile(path)
		if err == nil {
			_, err = fmt.Sscan(string(b), &pid)
		}
		return err == nil
	})
	t.Cleanup(func() {
		if !gone(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return pid
}

// gone reports whether nothing is left of a process, not even a zombie of ours.
func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// What init has not reaped yet is not ours.
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, fmt.Sprintf("Z %d ", os.Getpid()))
}

// TestNothingStays: a process that does not become ready is gone when Start
// returns, whether it ends when asked or not.
func TestNothingStays(t *testing.T) {
	for _, how := range []string{"hang", "deaf"} {
		path := filepath.Join(t.TempDir(), "pid")
		if _, err := Start(t.Context(), []string{how, path}, time.Second); !errors.Is(err, ErrTimeout) {
			t.Errorf("%s: %v", how, err)
		}
		if pid := pidIn(t, path); !gone(pid) {
			t.Errorf("%s: process %d lives", how, pid)
		}
	}
}

// TestNoZombie: the process is nobody's burden when it ends before its starter.
func TestNoZombie(t *testing.T) {
	r, err := Start(t.Context(), []string{"ready"}, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "reaped", func() bool { return gone(r.PID) })
}

func launch(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"launch"}, args...)...)
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// TestStarterIsKilled: the process does not die of writing its report to nobody.
func TestStarterIsKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	cmd := launch(t, "slow", path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pidIn(t, path)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	await(t, "served", func() bool { _, err := os.Stat(path + ".served"); return err == nil })
}

// TestStarterIsInterrupted: then nothing is started.
func TestStarterIsInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	cmd := launch(t, "hang", path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, path)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("success")
	}
	if !gone(pid) {
		t.Errorf("process %d lives", pid)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, []string{"stay", path}, 10*time.Second); err == nil || errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
}

// TestOpenFilesAreNotKept: a script that waits for the end of a pipe does not
// wait for the daemon.
func TestOpenFilesAreNotKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := launch(t, "stay", path)
	cmd.ExtraFiles = []*os.File{w}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	pidIn(t, path)
	for _, f := range []io.Reader{r, out} {
		if d, ok := f.(interface{ SetReadDeadline(time.Time) error }); ok {
			_ = d.SetReadDeadline(time.Now().Add(20 * time.Second))
		}
		if _, err := io.ReadAll(f); err != nil {
			t.Errorf("still open: %v", err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
