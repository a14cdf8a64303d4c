package logs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tmpfs mounts a file system of so many bytes, which only root can.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("only root can mount a small disk")
		}
		t.Skip("only root can mount a small disk")
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the room there is.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(b)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// TestDiskFillsUp: the log goes on at stderr, nobody is held up, and the file
// says afterwards how much it lacks. No record is torn.
func TestDiskFillsUp(t *testing.T) {
	dir := tmpfs(t, "size=64k")
	path := filepath.Join(dir, "x.log")
	var e strings.Builder
	l := Open(Options{Path: path, Stderr: &e, Levels: DefaultLevels})
	l.Info("before")
	free := fill(t, dir)
	for range 200 {
		l.Info("while", "pad", strings.Repeat("x", 100))
	}
	if w := l.Warning(); !strings.Contains(w, "no space left") {
		t.Errorf("warning: %q", w)
	}
	free()
	l.Info("after")
	if w := l.Warning(); w != "" {
		t.Errorf("warning: %q", w)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept, lost, told := 0, strings.Count(e.String(), "msg=while"), ""
	for line := range strings.Lines(string(b)) {
		switch {
		case !strings.HasPrefix(line, "time=") || !strings.HasSuffix(line, "\n"):
			t.Errorf("torn: %q", line)
		case strings.Contains(line, "msg=while"):
			kept++
		case strings.Contains(line, "records are missing here"):
			told = line
		}
	}
	if lost == 0 || kept+lost != 200 || !strings.Contains(told, fmt.Sprintf("lost=%d ", lost)) {
		t.Errorf("%d kept, %d at stderr, the file says %q", kept, lost, told)
	}
	if n := strings.Count(e.String(), "can not write log file"); n != 1 {
		t.Errorf("%d warnings at stderr", n)
	}
	if !strings.Contains(string(b), "msg=after") {
		t.Error("the log did not go on")
	}
}

// TestDiskIsFull: there is no room for a file at the start.
func TestDiskIsFull(t *testing.T) {
	dir := tmpfs(t, "size=64k,nr_inodes=2") // the folder itself and the filler
	free := fill(t, dir)
	second := filepath.Join(t.TempDir(), "second.log")
	path := filepath.Join(dir, "x.log")
	l := Open(Options{Path: path, Default: second, Stderr: io.Discard, Levels: DefaultLevels})
	defer l.Close()
	if l.Place() != second || !strings.Contains(l.Warning(), "no space left") {
		t.Errorf("%s: %q", l.Place(), l.Warning())
	}
	free()
	l.Reopen()
	if l.Place() != path || l.Warning() != "" {
		t.Errorf("%s: %q", l.Place(), l.Warning())
	}
}

// TestReadOnly: the disk becomes readable only, and writable again.
func TestReadOnly(t *testing.T) {
	dir := tmpfs(t, "size=64k")
	path := filepath.Join(dir, "x.log")
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	var e strings.Builder
	l := Open(Options{Path: path, Stderr: &e, Levels: DefaultLevels})
	defer l.Close()
	l.Info("hello")
	if l.Place() != "stderr" || !strings.Contains(e.String(), "read-only") || !strings.Contains(e.String(), "hello") {
		t.Errorf("%s: %q", l.Place(), e.String())
	}
	remount(0)
	l.Reopen()
	l.Info("again")
	if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), "again") {
		t.Errorf("%q %v", b, err)
	}
}
