package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ErrLocked is what every LockedError is.
var ErrLocked = errors.New("in use by another process")

// LockedError says who holds a lock. PID is 0 if that is not known.
type LockedError struct {
	Path string
	PID  int
}

// Error implements error.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another process", e.Path)
	}
	return fmt.Sprintf("%s is in use by process %d", e.Path, e.PID)
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Lock takes the lock file path, which it creates, for this process: flock on
// Linux, LockFileEx on Windows. It does not wait: if another holder lives, in
// this process or another, the error is a *LockedError. The file of a holder
// that was killed is taken over. unlock gives the lock back and removes the
// file; it may be called more than once.
//
// path is the lock's own file, by habit the protected one's name with ".lock":
// the protected file itself changes identity whenever it is replaced. A symbolic
// link, and a file with further names, is refused: the lock file is written to, and
// who may put a link into a shared folder must not choose what that overwrites.
func Lock(path string) (unlock func(), err error) {
	err = AsOwner(filepath.Dir(path), func() error {
		unlock, err = lock(path)
		return err
	})
	return unlock, err
}

func lock(path string) (unlock func(), err error) {
	var last error
	for range 100 {
		f, err := openFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if busy(err) {
			last = err
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, cause(err))
		}
		if err := ownName(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if err := tryLock(f); err != nil {
			// Who only looks for a holder is in the way for a moment.
			looked := errors.Is(err, ErrLocked) && tryShared(f) == nil
			pid := signatureOf(f).holder()
			f.Close()
			switch {
			case looked:
				time.Sleep(time.Millisecond)
				continue
			case !errors.Is(err, ErrLocked):
				return nil, fmt.Errorf("lock %s: %w", path, err)
			}
			return nil, &LockedError{Path: path, PID: pid}
		}
		// The last holder may have removed the file between our opening and
		// locking it: then the lock is on a file that nobody else will see.
		if !same(f, path) {
			f.Close()
			continue
		}
		sign(f)
		done := false
		return func() {
			if done {
				return
			}
			done = true
			_ = AsOwner(filepath.Dir(path), func() error { return os.Remove(path) })
			f.Close() // then: who waits for the lock must not get it on a file that is about to go
		}, nil
	}
	if last != nil {
		return nil, fmt.Errorf("lock %s: %w", path, cause(last))
	}
	return nil, &LockedError{Path: path}
}

// LockWait is Lock, trying again until d has passed.
func LockWait(path string, d time.Duration) (unlock func(), err error) {
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		unlock, err := Lock(path)
		if err == nil || !errors.Is(err, ErrLocked) || time.Now().After(end) {
			return unlock, err
		}
	}
}

// ownName refuses what is no file, or is one under other names too.
func ownName(f *os.File) error {
	st, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return errNoFile
	case linksOf(f, st) > 1:
		return ErrLinks
	}
	return nil
}

func same(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}
