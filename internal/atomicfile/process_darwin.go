package atomicfile

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// process returns when a process started, and its user. Nobody has tried it on a Mac
// yet.
func process(pid int) (start string, uid int, err error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return "", 0, err
	}
	return fmt.Sprintf("%d.%06d", k.Proc.P_starttime.Sec, k.Proc.P_starttime.Usec), int(k.Eproc.Pcred.P_ruid), nil
}
