//go:build linux

package hsmcm

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"openped/internal/rundir"
)

const nobody = 65534

func becomeNobody() error { return syscall.Setuid(nobody) }

// TestStrangersSocket: who could have planted a socket is told no password.
func TestStrangersSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
	dir, err := os.MkdirTemp("", "planted")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "hsm.sock")
	// The stranger is root until it listens: it may be that it cannot read this
	// program. The kernel tells who listened, so it changes its user before that.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asServer+"="+path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Signal(syscall.SIGKILL); _ = cmd.Wait() }()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, err := DialSocket(path, "")
		if errors.Is(err, rundir.ErrUnsafe) {
			return
		}
		if !errors.Is(err, ErrNotRunning) || time.Now().After(end) {
			t.Fatalf("a stranger's socket: %v", err)
		}
	}
}
