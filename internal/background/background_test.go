package background

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the background process too.
func TestMain(m *testing.M) {
	c := Detached()
	if c == nil && len(os.Args) > 1 && os.Args[1] == "launch" {
		if _, err := Start(context.Background(), os.Args[2:], 30*time.Second); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if c == nil {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "ready":
		c.Report(Report{Ready: true, Warnings: []string{"careful"}})
		c.Report(Report{Error: "second report"})
		fmt.Println("to nobody") // must neither reach nor kill
		fmt.Fprintln(os.Stderr, "to nobody")
	case "refuse":
		c.Report(Report{Error: "no", Hint: "try", Code: 2})
	case "panic":
		panic("own fault")
	case "silent":
	case "hang":
		sayPID()
		time.Sleep(time.Minute)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		sayPID()
		time.Sleep(time.Minute)
	case "stay":
		c.Report(Report{Ready: true})
		sayPID()
		time.Sleep(time.Minute)
	case "slow": // reports when its parent may be gone
		sayPID()
		for os.Getppid() == parent() {
			time.Sleep(time.Millisecond)
		}
		c.Report(Report{Ready: true})
		fmt.Println("to nobody")
		_ = os.WriteFile(os.Args[2]+".served", nil, 0o600)
	}
	os.Exit(0)
}

// sayPID writes the process number and its parent's for the test.
func sayPID() {
	if len(os.Args) < 3 {
		return
	}
	path := os.Args[2]
	_ = os.WriteFile(path+".tmp", fmt.Appendf(nil, "%d %d", os.Getpid(), os.Getppid()), 0o600)
	_ = os.Rename(path+".tmp", path)
}

// parent is who it was at the beginning.
func parent() (pid int) {
	b, _ := os.ReadFile(os.Args[2])
	_, _ = fmt.Sscan(string(b), new(int), &pid)
	return pid
}

func TestStart(t *testing.T) {
	r, err := Start(context.Background(), []string{"ready"}, 10*time.Second)
	if err != nil || !r.Ready || len(r.Warnings) != 1 || r.PID == os.Getpid() || r.PID == 0 {
		t.Errorf("%+v %v", r, err)
	}
	r, err = Start(context.Background(), []string{"refuse"}, 10*time.Second)
	if err != nil || r.Ready || r.Error != "no" || r.Hint != "try" || r.Code != 2 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestStartFails(t *testing.T) {
	if _, err := Start(context.Background(), []string{"panic"}, 10*time.Second); err == nil || !strings.Contains(err.Error(), "own fault") {
		t.Errorf("panic: %v", err)
	}
	if _, err := Start(context.Background(), []string{"silent"}, 10*time.Second); err == nil {
		t.Error("silent process taken as ready")
	}
	begin := time.Now()
	if _, err := Start(context.Background(), []string{"hang"}, 200*time.Millisecond); !errors.Is(err, ErrTimeout) {
		t.Errorf("hang: %v", err)
	}
	if time.Since(begin) > 30*time.Second {
		t.Error("waited for a hanging process")
	}
}

func TestForeground(t *testing.T) {
	var c *Child
	c.Report(Report{Ready: true})
}

// TestLeavesItsFolder: the folder that somebody was in when he started the process
// is his to remove.
func TestLeavesItsFolder(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "pid"), filepath.Join(t.TempDir(), "here")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "launch", "stay", path)
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil {
			if _, err := fmt.Sscan(string(b), &pid); err == nil {
				break
			}
		}
		if time.Now().After(end) {
			t.Fatal("never started")
		}
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Kill(); _ = p.Release() }()
	if err := os.Remove(dir); err != nil {
		t.Error(err)
	}
	if here, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && strings.Contains(here, "here") {
		t.Errorf("it is still in %s", here)
	}
}
