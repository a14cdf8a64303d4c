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
	var s signature
	err = AsOwner(filepath.Dir(path), func() error {
		s, held, err = look(path)
		return err
	})
	return s.holder(), held, err // what root sees of processes others may not
}

func look(path string) (s signature, held bool, err error) {
	f, err := openFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("lock %s: %w", path, cause(err))
	}
	defer f.Close()
	err = tryShared(f)
	if errors.Is(err, ErrLocked) {
		return signatureOf(f), true, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("lock %s: %w", path, err)
	}
	return s, false, nil
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

// signature is what stands in a lock file, and whose file it is.
type signature struct {
	text  string
	owner int
}

func signatureOf(f *os.File) signature {
	b := make([]byte, 64)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return signature{}
	}
	return signature{string(b[:n]), ownerOf(f)}
}

// holder returns who signed a lock file, 0 if that is none who can hold it: what
// stands there until the new holder has signed is the last one's, whose number
// may be another process's by now. Nor is a process believed to hold the lock
// that is another user's than the file, unless it is root's file.
func (s signature) holder() int {
	number, start, _ := strings.Cut(strings.TrimSpace(s.text), " ")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 0 {
		return 0
	}
	if start == "" {
		if _, _, err := process(os.Getpid()); err == nil {
			return 0 // no program of ours leaves it out here
		}
		return pid
	}
	started, uid, err := process(pid)
	if err != nil || started != start {
		return 0
	}
	if s.owner > 0 && s.owner != uid {
		return 0
	}
	return pid
}
