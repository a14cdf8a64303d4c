package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestNeverPrinted(t *testing.T) {
	s := From([]byte("hunter2hunter2"))
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "pin", s)
	j, err := json.Marshal(map[string]any{"pin": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %x %q", s, s, s, s, s, s), string(j), logged.String()} {
		if strings.Contains(out, "hunter2") || strings.Contains(out, "68756e74") || !strings.Contains(out, Redacted) {
			t.Errorf("printed: %q", out)
		}
	}
}

func TestMoveWipeDestroy(t *testing.T) {
	src := []byte{1, 2, 3}
	s := From(src)
	if !bytes.Equal(src, []byte{0, 0, 0}) {
		t.Error("From left its source")
	}
	if !s.Equal(Copy([]byte{1, 2, 3})) || s.Equal(Copy([]byte{1, 2, 4})) || s.Equal(Copy([]byte{1, 2})) {
		t.Error("Equal is wrong")
	}
	b := s.Bytes()
	s.Wipe()
	if !bytes.Equal(b, []byte{0, 0, 0}) {
		t.Error("Wipe left bytes")
	}
	s.Destroy()
	if s.Len() != 0 || (*Buffer)(nil).Len() != 0 {
		t.Error("not empty")
	}
}

// Two owners of one secret are a mistake, but not one that may touch pages that
// were given back.
func TestDestroyedOnce(t *testing.T) {
	var freed atomic.Int32
	meet := make(chan struct{})
	s := &Buffer{b: make([]byte, 64), free: func([]byte) {
		if freed.Add(1) == 1 {
			<-meet // the second call comes while the first one is here
		}
	}}
	var done sync.WaitGroup
	done.Go(s.Destroy)
	done.Go(func() {
		for freed.Load() == 0 {
			runtime.Gosched()
		}
		s.Destroy()
		close(meet)
	})
	done.Wait()
	s.Destroy()
	if n := freed.Load(); n != 1 || s.Len() != 0 {
		t.Errorf("given back %d times", n)
	}
}
