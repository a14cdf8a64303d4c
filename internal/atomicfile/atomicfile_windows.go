package atomicfile

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// The lock lies far behind the content: LockFileEx locks are mandatory, and
// the process number in the file must stay readable.
const lockOffset = 1 << 30

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

// openFile opens a file that others may rename and remove meanwhile, which
// os.OpenFile does not allow here, under its own name only: a link it opens itself,
// which is no regular file.
func openFile(path string, flag int, _ fs.FileMode) (*os.File, error) {
	access, how := uint32(windows.GENERIC_READ), uint32(windows.OPEN_EXISTING)
	if flag&os.O_RDWR != 0 {
		access |= windows.GENERIC_WRITE
	}
	switch {
	case flag&os.O_EXCL != 0:
		how = windows.CREATE_NEW
	case flag&os.O_CREATE != 0:
		how = windows.OPEN_ALWAYS
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	h, err := windows.CreateFile(name, access, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		nil, how, windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// busy reports an error that passes by itself: a file that is going has its name
// until everybody has closed it, and who does not share it has it for a moment.
func busy(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// busyTime is how long a file may be in others' hands before it is an error.
const busyTime = 5 * time.Second

// removeAndClose removes first: whoever waits for the lock must not get it on
// a file that is about to go.
func removeAndClose(f *os.File) {
	os.Remove(f.Name())
	f.Close()
}

// replace renames first and closes then, so that f is locked as long as it has
// its temporary name. Whoever reads the old file, as a virus scanner does, is
// waited for.
func replace(f *os.File, path string) error {
	defer f.Close()
	from, err := windows.UTF16PtrFromString(f.Name())
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	for end := time.Now().Add(busyTime); ; time.Sleep(time.Duration(1+rand.IntN(5)) * time.Millisecond) {
		err = windows.MoveFileEx(from, to, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH)
		if !busy(err) || time.Now().After(end) {
			return err
		}
	}
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
	return linksOf(f, nil)
}

// linksOf is links for an open file.
func linksOf(f *os.File, _ fs.FileInfo) int {
	var i windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &i) != nil {
		return 1
	}
	return int(i.NumberOfLinks)
}
