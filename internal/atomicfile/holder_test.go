package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

func TestHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	if pid, held, err := Holder(path); pid != 0 || held || err != nil {
		t.Errorf("%d %v %v", pid, held, err)
	}
	only(t, filepath.Dir(path)) // nothing was created
	unlock, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if pid, held, err := Holder(path); pid != os.Getpid() || !held || err != nil {
		t.Errorf("%d %v %v", pid, held, err)
	}
	unlock()
	if _, held, _ := Holder(path); held {
		t.Error("held by nobody")
	}
	// What a crash leaves is held by nobody, whatever stands in it.
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid, held, err := Holder(path); pid != 0 || held || err != nil {
		t.Errorf("%d %v %v", pid, held, err)
	}
	only(t, filepath.Dir(path), "x.lock")
}

// TestHolderOfBefore: until the new holder has signed, the number in the file is
// the last one's, who may be anybody now.
func TestHolderOfBefore(t *testing.T) {
	if _, _, err := process(os.Getpid()); err != nil {
		t.Skip("the platform does not tell when a process started")
	}
	path := filepath.Join(t.TempDir(), "x.lock")
	unlock, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for _, text := range []string{strconv.Itoa(os.Getpid()) + " 1", "1 1", "1", "", "x", "-5 3", "4194305 9"} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, held, err := Holder(path); pid != 0 || !held || err != nil {
			t.Errorf("%q: %d %v %v", text, pid, held, err)
		}
		var locked *LockedError
		if _, err := Lock(path); !errors.As(err, &locked) || locked.PID != 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestHolderIsNotInTheWay: looking for a holder never makes a Lock fail.
func TestHolderIsNotInTheWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	stop := make(chan struct{})
	var lookers sync.WaitGroup
	for range 4 {
		lookers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _, _ = Holder(path)
				}
			}
		})
	}
	for range 300 {
		unlock, err := Lock(path)
		if err != nil {
			t.Error(err)
			break
		}
		unlock()
	}
	close(stop)
	lookers.Wait()
}
