package background

import (
	"os"
	"syscall"
)

// letGo points standard output and error at nothing, so that whoever waits for
// the end of the parent's output does not wait for the daemon, and leaves the
// folder it was started in.
func letGo() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	_ = syscall.Dup3(int(null.Fd()), 1, 0)
	_ = syscall.Dup3(int(null.Fd()), 2, 0)
	_ = os.Chdir("/")
}
