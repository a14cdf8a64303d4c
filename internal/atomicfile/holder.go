package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Holder reports whether somebody holds the lock file path, and which process:
// pid is 0 if that is not known for certain. It creates nothing and is in
// nobody's way: a Lock at the same moment succeeds.
func Holder(path string) (pid int, held bool, err error) {
	err = AsOwner(filepath.Dir(path), func() error {
		pid, held, err = look(path)
		return err
	})
	return pid, held, err
}

func look(path string) (pid int, held bool, err error) {
	f, err := openFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("lock %s: %w", path, cause(err))
	}
	defer f.Close()
	err = tryShared(f)
	if errors.Is(err, ErrLocked) {
		return holder(f), true, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("lock %s: %w", path, err)
	}
	return 0, false, nil
}

// sign writes into a lock file whose it is: the process number and, where the
// platform tells, when the process started.
func sign(f *os.File) {
	text := strconv.Itoa(os.Getpid())
	if start, _, err := process(os.Getpid()); err == nil {
		text += " " + start
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(text+"\n"), 0)
}

// holder reads who signed a lock file, 0 if that is none who can hold it: what
// stands there until the new holder has signed is the last one's, whose number
// may be another process's by now. Nor is a process believed to hold the lock
// that is another user's than the file, unless it is root's file.
func holder(f *os.File) int {
	b := make([]byte, 64)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return 0
	}
	number, start, _ := strings.Cut(strings.TrimSpace(string(b[:n])), " ")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 0 {
		return 0
	}
	if start == "" {
		return pid // its platform does not tell
	}
	started, uid, err := process(pid)
	if err != nil || started != start {
		return 0
	}
	if owner := ownerOf(f); owner > 0 && owner != uid {
		return 0
	}
	return pid
}
