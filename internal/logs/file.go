package logs

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

// file is a log file of bounded size.
type file struct {
	path    string
	max     int64
	crash   bool
	f       *os.File
	size    int64
	regular bool  // not /dev/null or a pipe, which have no size and no second name
	astray  error // the file was moved away, and this is why there is no new one
}

func openFile(path string, max int64, crash bool) (*file, error) {
	l := &file{path: path, max: max, crash: crash}
	if err := l.open(0); err != nil {
		return nil, err
	}
	return l, nil
}

// open opens the file, and lets the trace of a crash go there. What was open
// stays so if that fails.
func (l *file) open(flag int) error {
	if runtime.GOOS != "windows" {
		flag |= syscall.O_NONBLOCK // a pipe that nobody reads is an error, not a wait
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|flag, 0o640)
	if err != nil {
		return err
	}
	if l.f != nil {
		_ = l.f.Close()
	}
	l.f, l.size, l.regular, l.astray = f, 0, false, nil
	if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
		l.size, l.regular = fi.Size(), true
	}
	if l.crash {
		_ = debug.SetCrashOutput(f, debug.CrashOptions{})
	}
	return nil
}

// write appends one record, whole or not at all.
func (l *file) write(p []byte) error {
	if l.regular {
		l.follow()
		if l.size > 0 && l.size+int64(len(p)) > l.max {
			l.rotate()
		}
	}
	n, err := l.f.Write(p)
	if err != nil && n > 0 && l.regular && l.f.Truncate(l.size) == nil {
		n = 0
	}
	l.size += int64(n)
	return err
}

// follow begins a new file when somebody has moved this one away, and learns
// when somebody has emptied it.
func (l *file) follow() {
	now, err := l.f.Stat()
	if err != nil {
		return
	}
	l.size = now.Size()
	named, err := os.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, named) {
		l.astray = l.open(0)
	}
}

// rotate begins a new file. Where the old one cannot be moved it is emptied: a
// full disk would do more harm.
func (l *file) rotate() {
	flag := 0
	if runtime.GOOS == "windows" { // an open file cannot be renamed
		_ = l.f.Close()
	}
	if os.Rename(l.path, l.path+".1") != nil {
		flag = os.O_TRUNC
	}
	if l.open(flag) != nil {
		_ = l.f.Truncate(0)
		l.size = 0
	}
}

func (l *file) close() error { return l.f.Close() }
