package atomicfile

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryShared looks for a holder, whom it keeps out until f is closed: ErrLocked
// if there is one.
func tryShared(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
		&windows.Overlapped{Offset: lockOffset})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}
