package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
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
