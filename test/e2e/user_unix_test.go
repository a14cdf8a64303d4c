//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// nobody is a user that owns nothing.
const nobody = 65534

// asUser runs a command as nobody, if this is root.
func asUser(*testing.T) func(*exec.Cmd) {
	if os.Geteuid() != 0 {
		return nil
	}
	return func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// give makes a folder nobody's, if this is root.
func give(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
}
