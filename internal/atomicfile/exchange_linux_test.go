package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestExchangedFolder plays a service's user who exchanges a folder for a link to one
// of root's all the time while root works in it.
//
// It fails when asOwner just calls f.
func TestExchangedFolder(t *testing.T) {
	home, victim := home(t)
	dir, link := filepath.Join(home, "dir"), filepath.Join(home, "link")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, service, service), os.Symlink(victim, link)); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	done := 0
	for range 200 {
		if unlock, err := Lock(filepath.Join(dir, "lock")); err == nil {
			done++
			unlock()
		}
		if MkdirAll(filepath.Join(dir, "sub"), 0o700) == nil {
			_ = AsOwner(dir, func() error { return os.Remove(filepath.Join(dir, "sub")) })
		}
		if WriteFile(filepath.Join(dir, "key"), nil, 0o600) == nil {
			done++
		}
		if names, _ := os.ReadDir(victim); len(names) > 0 {
			t.Errorf("made in root's folder: %v", names)
			break
		}
	}
	close(stop)
	<-stopped
	if done == 0 {
		t.Error("nothing was done: nothing was tried")
	}
}
