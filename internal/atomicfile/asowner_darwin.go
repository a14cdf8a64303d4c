package atomicfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// become gives this thread alone the identity of a user, as pthread_setugid_np does.
// Nobody has tried it on a Mac yet; if it has no effect nothing is done.
func become(uid, gid int) error {
	if _, _, e := unix.RawSyscall(unix.SYS_SETTID, uintptr(uid), uintptr(gid), 0); e != 0 {
		return e
	}
	if os.Geteuid() != uid {
		return errors.New("the system has not changed the identity of the thread")
	}
	return nil
}

// limited: a thread of another user's is not root's to begin with.
func limited() bool { return false }
