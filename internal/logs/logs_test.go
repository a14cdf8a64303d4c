package logs

import (
	"bytes"
	"context"
	"fmt"
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

// TestRotates: a log takes two files of bounded size, and loses nothing of the
// last one.
func TestRotates(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	if err := os.WriteFile(path, bytes.Repeat([]byte("old\n"), 100), 0o640); err != nil {
		t.Fatal(err)
	}
	l := Open(Options{Path: path, Levels: DefaultLevels, max: 2000})
	for i := range 200 {
		l.Info("line", "n", i)
	}
	size := func(name string) int64 {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	if a, b := size("x.log"), size("x.log.1"); a > 2000 || b > 2000 || b < 1800 {
		t.Errorf("%d and %d bytes", a, b)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("%v", left)
	}
	now, _ := os.ReadFile(path)
	before, _ := os.ReadFile(path + ".1")
	if all := string(before) + string(now); !strings.HasSuffix(all, "n=199\n") || strings.Count(all, "\n") != 200-firstOf(t, all) {
		t.Errorf("lines are missing in\n%s", all)
	}

	// Somebody else has moved it.
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		l.Info("line", "n", i)
	}
	if size("x.log") == 0 || size("x.log.moved") > 2000 {
		t.Error("a file that was moved is written on")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func firstOf(t *testing.T, all string) (n int) {
	t.Helper()
	_, rest, _ := strings.Cut(all, "n=")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRotatesInPlace: where the old file cannot be moved it is emptied.
func TestRotatesInPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	if err := os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	l := Open(Options{Path: path, Levels: DefaultLevels, max: 2000})
	defer l.Close()
	for i := range 200 {
		l.Info("line", "n", i)
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() > 2000 || fi.Size() == 0 {
		t.Errorf("%v %v", fi, err)
	}
}

// TestNoFileDoesNotRotate: the null device, under a name that can be spared.
func TestNoFileDoesNotRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	if err := os.Symlink(os.DevNull, path); err != nil {
		t.Skip(err)
	}
	l := Open(Options{Path: path, Levels: DefaultLevels, max: 100})
	defer l.Close()
	for range 50 {
		l.Info("line")
	}
	if _, err := os.Lstat(path + ".1"); err == nil || l.Warning != "" {
		t.Errorf("%v %q", err, l.Warning)
	}
}
