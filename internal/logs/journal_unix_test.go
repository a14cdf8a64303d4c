//go:build unix

package logs

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestJournal: records carry their priority to the journal, and to nobody else.
func TestJournal(t *testing.T) {
	for _, mine := range []bool{true, false} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		fi, err := w.Stat()
		if err != nil {
			t.Fatal(err)
		}
		st := fi.Sys().(*syscall.Stat_t)
		stream := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
		if !mine {
			stream += "0"
		}
		t.Setenv("JOURNAL_STREAM", stream)
		l := Open(Options{Stderr: w, Levels: Levels{Info: true, Warning: true, Error: true, Trace: true}})
		l.Info("level=ERROR")
		l.Warn("w")
		l.Error("e")
		l.Log(context.Background(), LevelTrace, "t")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		w.Close()
		_ = r.SetReadDeadline(time.Now().Add(20 * time.Second))
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for line := range strings.Lines(string(b)) {
			got += line[:1]
			if mine {
				got += line[1:3]
			}
		}
		if want := map[bool]string{true: "<6><4><3><7>", false: "tttt"}[mine]; got != want {
			t.Errorf("journal %v: %q", mine, b)
		}
	}
}
