package atomicfile

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// The lock lies far behind the content: LockFileEx locks are mandatory, and
// the process number in the file must stay readable.
const lockOffset = 1 << 30

// noFollow: only administrators make symbolic links here.
const noFollow = 0

func tryLock(f *os.File) error { return lockFile(f, windows.LOCKFILE_EXCLUSIVE_LOCK) }

// tryShared looks for a holder, whom it keeps out until f is closed: ErrLocked
// if there is one.
func tryShared(f *os.File) error { return lockFile(f, 0) }

func lockFile(f *os.File, how uint32) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), how|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
		&windows.Overlapped{Offset: lockOffset})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}

// removeAndClose closes first: an open file cannot be removed. If another
// process has opened it meanwhile the removal fails, and the file is that
// process's lock.
func removeAndClose(f *os.File) {
	f.Close()
	os.Remove(f.Name())
}

// replace closes first: an open file cannot be renamed.
func replace(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	from, err := windows.UTF16PtrFromString(f.Name())
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	return windows.MoveFileEx(from, to, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH)
}

// syncDir does nothing: MOVEFILE_WRITE_THROUGH has done it.
func syncDir(string) error { return nil }

// links returns how many names a file has.
func links(path string, _ fs.FileInfo) int {
	f, err := os.Open(path)
	if err != nil {
		return 1 // whoever opens it finds out
	}
	defer f.Close()
	var i windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &i) != nil {
		return 1
	}
	return int(i.NumberOfLinks)
}
