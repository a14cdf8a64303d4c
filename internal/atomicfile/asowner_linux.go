package atomicfile

import (
	"errors"

	"golang.org/x/sys/unix"
)

// become gives this thread alone the file rights of a user: package syscall would
// change all threads. To others the process stays root's: who is that user can
// neither trace nor signal it.
func become(uid, gid int) error {
	if err := unix.Setgroups(nil); err != nil {
		return err
	}
	if err := unix.Setfsgid(gid); err != nil {
		return err
	}
	if err := unix.Setfsuid(uid); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return err
	}
	// Both calls only ever return what was before.
	if fsuid(unix.SetfsuidRetUid) != uid || fsuid(unix.SetfsgidRetGid) != gid {
		return errors.New("the system has not changed the rights of the thread")
	}
	return nil
}

// limited reports whether this thread is another user's already.
func limited() bool { return fsuid(unix.SetfsuidRetUid) != 0 }

// fsuid asks by setting what can not be set.
func fsuid(set func(int) (int, error)) int {
	now, _ := set(-1)
	return now
}
