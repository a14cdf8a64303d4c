//go:build unix

package background

import (
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// detach gives the process a session of its own: closing the terminal does not
// end it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// keepOpenFiles keeps to this process what its own starter left open: a daemon
// would hold a lock or a pipe of a script for as long as it runs.
func keepOpenFiles() {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		names, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, n := range names {
			if fd, err := strconv.Atoi(n.Name()); err == nil && fd > 2 {
				syscall.CloseOnExec(fd)
			}
		}
		return
	}
}

// ignoreLostParent lets the process live on when nobody reads its output any
// more: whoever started it may have been killed.
func ignoreLostParent() { signal.Ignore(syscall.SIGPIPE) }
