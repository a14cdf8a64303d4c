package logs

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
)

// MaxSize is the size, in bytes, at which a log file is moved to NAME.1, in place
// of the one that was moved there before.
const MaxSize = 8 << 20

// file is a log file of bounded size.
type file struct {
	path  string
	max   int64 // 0: no file of bytes, but /dev/null or a pipe
	crash bool

	mu   sync.Mutex
	f    *os.File
	size int64
}

var errClosed = errors.New("log file is closed")

func openFile(path string, max int64, crash bool) (*file, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	l := &file{path: abs, max: max, crash: crash}
	if err := l.open(0); err != nil {
		return nil, err
	}
	return l, nil
}

// open opens the file, and lets the trace of a crash go there.
func (l *file) open(flag int) error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|flag, 0o640)
	if err != nil {
		return err
	}
	if l.f != nil {
		_ = l.f.Close()
	}
	l.f, l.size = f, 0
	fi, err := f.Stat()
	switch {
	case err == nil && fi.Mode().IsRegular():
		l.size = fi.Size()
	default:
		l.max = 0
	}
	if l.crash {
		_ = debug.SetCrashOutput(f, debug.CrashOptions{})
	}
	return nil
}

// Write appends one record.
func (l *file) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return 0, errClosed
	}
	if l.max > 0 && l.size > 0 && l.size+int64(len(p)) > l.max {
		l.rotate()
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return n, err
}

// rotate begins a new file. Where the old one cannot be moved it is emptied: a
// full disk would do more harm.
func (l *file) rotate() {
	flag := 0
	if l.mine() {
		if runtime.GOOS == "windows" { // an open file cannot be renamed
			_ = l.f.Close()
		}
		if os.Rename(l.path, l.path+".1") != nil {
			flag = os.O_TRUNC
		}
	}
	if l.open(flag) != nil {
		_ = l.f.Truncate(0)
		l.size = 0
	}
}

// mine reports whether the file is still the one that has its name: somebody
// else may have moved it.
func (l *file) mine() bool {
	a, err := l.f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(l.path)
	return err == nil && os.SameFile(a, b)
}

func (l *file) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}
