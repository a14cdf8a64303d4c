//go:build !windows

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// limitFileSize lets writes beyond n bytes fail with EFBIG.
func limitFileSize(n uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
}

// The kernel refuses the bytes, as it does when the disk is full.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	if err := WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, line := child(t, "full", path); line != "refused" {
		t.Errorf("child: %q", line)
	}
	content(t, path, "old")
	only(t, dir, "state")
}

// Root may write to any folder, so the tests of root take one that no file can
// be made in.
func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		dir = "/proc"
	} else {
		path := filepath.Join(dir, "state")
		if err := WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(dir, 0o700)
		defer content(t, path, "old")
		defer only(t, dir, "state")
	}
	if err := WriteFile(filepath.Join(dir, "state"), []byte("new"), 0o600); err == nil {
		t.Error("written to a read-only folder")
	} else if dir != "/proc" && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("cause is lost: %v", err)
	}
	if _, err := Lock(filepath.Join(dir, "x.lock")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("lock: %v", err)
	}
}

// TestLockIsNoLink: a link where the lock should be does not let its maker choose
// a file that is overwritten.
func TestLockIsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{victim, filepath.Join(dir, "nothing")} {
		link := filepath.Join(dir, "x.lock")
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		if unlock, err := Lock(link); err == nil {
			unlock()
			t.Errorf("a link to %s is a lock", filepath.Base(to))
		}
		os.Remove(link)
	}
	content(t, victim, "precious")
	only(t, dir, "victim")
}

// TestDeviceStays: root may replace /dev/null, and the whole system would miss it.
// A pipe stands for it here.
func TestDeviceStays(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "null")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new"), 0o600); !errors.Is(err, errNoFile) {
		t.Errorf("%v", err)
	}
	if st, err := os.Lstat(path); err != nil || st.Mode().Type() != fs.ModeNamedPipe {
		t.Errorf("it has become %v (%v)", st.Mode(), err)
	}
	only(t, dir, "null")
}
