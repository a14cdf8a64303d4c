package logs

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		l    Levels
		want string
	}{
		{Levels{}, ""},
		{Levels{Info: true}, "I"},
		{Levels{Warning: true}, "W"},
		{Levels{Error: true}, "E"},
		{Levels{Trace: true}, "TD"},
		{DefaultLevels, "IWE"},
	} {
		var b bytes.Buffer
		log := slog.New(New(&b, c.l)).With("x", 1).WithGroup("g")
		log.Log(context.Background(), LevelTrace, "T")
		log.Debug("D")
		log.Info("I")
		log.Warn("W")
		log.Error("E")
		got := ""
		for line := range strings.Lines(b.String()) {
			_, m, _ := strings.Cut(line, "msg=")
			got += m[:1]
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.l, got, c.want)
		}
	}
}

func TestOneLinePerRecord(t *testing.T) {
	var b bytes.Buffer
	slog.New(New(&b, Levels{Trace: true})).Debug("x", "peer", "a\nlevel=ERROR msg=forged")
	if strings.Count(b.String(), "\n") != 1 || !strings.Contains(b.String(), "level=TRACE") {
		t.Errorf("%q", b.String())
	}
}

func TestOpenFallsBack(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "missing", "x.log")
	good := filepath.Join(dir, "good.log")

	l := Open(Options{Path: good, Second: bad, Levels: DefaultLevels})
	if l.Path != good || l.Warning != "" {
		t.Errorf("%q %q", l.Path, l.Warning)
	}
	l.Close()

	l = Open(Options{Path: bad, Second: good, Levels: DefaultLevels})
	if l.Path != good || !strings.Contains(l.Warning, "can not write log file") {
		t.Errorf("%q %q", l.Path, l.Warning)
	}
	l.Close()
	if b, _ := os.ReadFile(good); !strings.Contains(string(b), "can not write log file") {
		t.Errorf("warning not logged: %q", b)
	}

	var e bytes.Buffer
	l = Open(Options{Path: bad, Stderr: &e, Levels: DefaultLevels})
	l.Info("hello")
	if l.Path != "stderr" || !strings.Contains(e.String(), "hello") {
		t.Errorf("%q %q", l.Path, e.String())
	}
	if l.Close() != nil {
		t.Error("close")
	}
}
