package logs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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

	l := Open(Options{Path: good, Default: bad, Levels: DefaultLevels})
	if l.Place() != good || l.Warning() != "" {
		t.Errorf("%q %q", l.Place(), l.Warning())
	}
	l.Close()

	var told bytes.Buffer
	l = Open(Options{Path: bad, Default: good, Levels: DefaultLevels, Stderr: &told})
	if strings.Count(told.String(), "can not write log file") != 1 {
		t.Errorf("at stderr: %q", told.String())
	}
	if l.Place() != good || !strings.Contains(l.Warning(), "can not write log file") {
		t.Errorf("%q %q", l.Place(), l.Warning())
	}
	l.Close()
	if b, _ := os.ReadFile(good); !strings.Contains(string(b), "can not write log file") {
		t.Errorf("warning not logged: %q", b)
	}

	var e bytes.Buffer
	l = Open(Options{Path: bad, Stderr: &e, Levels: DefaultLevels})
	l.Info("hello")
	if l.Place() != "stderr" || !strings.Contains(e.String(), "hello") {
		t.Errorf("%q %q", l.Place(), e.String())
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
	l := Open(Options{Path: path, Levels: DefaultLevels, MaxKB: 2})
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
	if a, b := size("x.log"), size("x.log.1"); a > 2048 || b > 2048 || b < 1900 {
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

	// Somebody else has moved it, where that can be done with an open file.
	if runtime.GOOS == "windows" {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		l.Info("line", "n", i)
	}
	if size("x.log") == 0 || size("x.log.moved") > 2048 {
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
	l := Open(Options{Path: path, Levels: DefaultLevels, MaxKB: 2})
	defer l.Close()
	for i := range 200 {
		l.Info("line", "n", i)
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() > 2048 || fi.Size() == 0 {
		t.Errorf("%v %v", fi, err)
	}
}

// TestNoFileDoesNotRotate: the null device, under a name that can be spared.
func TestNoFileDoesNotRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	if err := os.Symlink(os.DevNull, path); err != nil {
		t.Skip(err)
	}
	l := Open(Options{Path: path, Levels: DefaultLevels, MaxKB: 1})
	defer l.Close()
	for range 500 {
		l.Info("line")
	}
	if _, err := os.Lstat(path + ".1"); err == nil || l.Warning() != "" {
		t.Errorf("%v %q", err, l.Warning())
	}
}

// TestSwitchesWhileRunning: of the log and of every logger made from it.
func TestSwitchesWhileRunning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	l := Open(Options{Path: path, Levels: DefaultLevels})
	defer l.Close()
	child := l.With("slot", 1).WithGroup("g")
	child.Debug("before")
	l.SetLevels(Levels{Trace: true})
	child.Debug("after")
	child.Error("no error")
	b, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(b), "before") || !strings.Contains(string(b), "after") || strings.Contains(string(b), "no error") {
		t.Errorf("%q %v", b, err)
	}
}

func TestWhereItGoes(t *testing.T) {
	dir := t.TempDir()
	named, own := filepath.Join(dir, "named.log"), filepath.Join(dir, "own.log")
	for _, c := range []struct {
		about string
		o     Options
		want  string
	}{
		{"foreground", Options{Default: own}, "stderr"},
		{"foreground with -locallogger", Options{Default: own, Local: true}, own},
		{"foreground with -logfile", Options{Default: own, Path: named}, named},
		{"background", Options{Default: own, Background: true}, own},
		{"background with -logfile", Options{Default: own, Background: true, Path: named}, named},
		{"background, own file not writable", Options{Default: filepath.Join(dir, "no", "x.log"), Background: true}, "stderr"},
	} {
		l := Open(c.o)
		if l.Place() != c.want {
			t.Errorf("%s: %s, want %s", c.about, l.Place(), c.want)
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: %v", c.about, err)
		}
	}
}

// TestSizeWhileRunning: a smaller bound holds from the next record on.
func TestSizeWhileRunning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	l := Open(Options{Path: path, Levels: DefaultLevels})
	defer l.Close()
	for range 100 {
		l.Info("line")
	}
	if _, err := os.Stat(path + ".1"); err == nil {
		t.Fatal("rotated below its bound")
	}
	l.SetMaxKB(1)
	l.Info("line")
	if fi, err := os.Stat(path); err != nil || fi.Size() > 1024 {
		t.Errorf("%v %v", fi, err)
	}
	if _, err := os.Stat(path + ".1"); err != nil {
		t.Error(err)
	}
}

func TestPathWhileRunning(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	l := Open(Options{Path: a, Default: a, Levels: DefaultLevels})
	defer l.Close()
	l.SetPath(b)
	l.Info("hello")
	if got, _ := os.ReadFile(b); l.Place() != b || !strings.Contains(string(got), "hello") {
		t.Errorf("%s: %q", l.Place(), got)
	}
	l.SetPath(filepath.Join(dir, "no", "x.log"))
	if l.Place() != a || l.Warning() == "" {
		t.Errorf("%s: %q", l.Place(), l.Warning())
	}
	l.SetPath("")
	if l.Place() != a || l.Warning() != "" {
		t.Errorf("%s: %q", l.Place(), l.Warning())
	}
}

// TestMovedAway: what logrotate does, at once and also while no new file can be
// made.
func TestMovedAway(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root writes anywhere: the folder is taken away instead of closed")
	}
	top := t.TempDir()
	dir := filepath.Join(top, "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.log")
	l := Open(Options{Path: path, Levels: DefaultLevels})
	defer l.Close()
	l.Info("one")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	l.Info("two")
	if !strings.Contains(l.Warning(), "moved away") {
		t.Errorf("warning: %q", l.Warning())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l.Info("three")
	old, _ := os.ReadFile(filepath.Join(dir+".away", "x.log"))
	now, _ := os.ReadFile(path)
	if !strings.Contains(string(old), "two") || !strings.Contains(string(now), "three") || l.Warning() != "" {
		t.Errorf("%q, then %q; warning %q", old, now, l.Warning())
	}
	if err := os.Truncate(path, 0); err != nil { // logrotate's copytruncate
		t.Fatal(err)
	}
	l.Info("four")
	if now, _ = os.ReadFile(path); !strings.HasPrefix(string(now), "time=") || strings.Contains(string(now), "three") {
		t.Errorf("%q", now)
	}
}

// TestBackToTheWantedFile: the log looks for it again now and then, and on a
// reload.
func TestBackToTheWantedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "later", "x.log")
	var e bytes.Buffer
	s := &sink{want: path, stderr: &e, max: 1 << 20}
	s.open()
	if w := s.state.Load(); w.place != "stderr" || w.warning == "" {
		t.Fatalf("%+v", w)
	}
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s.write([]byte("soon\n"))
	if !strings.HasSuffix(e.String(), "soon\n") {
		t.Errorf("%q", e.String())
	}
	s.next = time.Now()
	s.write([]byte("then\n"))
	b, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(string(b), "then\n") || s.state.Load().warning != "" {
		t.Errorf("%q %v %+v", b, err, s.state.Load())
	}
	_ = s.close()
}

// hung is a terminal that was stopped, a journal that does not read, a disk of a
// server that is away.
type hung struct {
	free chan struct{}
	b    bytes.Buffer
}

func (h *hung) Write(p []byte) (int, error) {
	<-h.free
	return h.b.Write(p)
}

// TestNobodyReads: a place that takes nothing holds nobody up, and what it could
// not take is counted.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hung{free: make(chan struct{})}
		l := Open(Options{Stderr: h, Levels: DefaultLevels})
		begin := time.Now()
		for range queued + 500 {
			l.Info("line")
		}
		if d := time.Since(begin); d > patience {
			t.Errorf("held up for %v", d)
		}
		close(h.free)
		synctest.Wait()
		l.Info("last")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		got := h.b.String()
		n, lost := strings.Count(got, "msg=line"), 0
		if _, told, ok := strings.Cut(got, "lost="); ok {
			_, _ = fmt.Sscan(told, &lost)
		}
		if n < queued || lost == 0 || n+lost != queued+500 || !strings.Contains(got, "msg=last") {
			t.Errorf("%d records written, %d told lost", n, lost)
		}
	})
}

func TestAfterClose(t *testing.T) {
	l := Open(Options{Stderr: io.Discard, Levels: DefaultLevels})
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	l.Info("too late")
	l.Reopen()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestPipeWithoutReader: opening it would wait for ever.
func TestPipeWithoutReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", path).Run(); err != nil {
		t.Skip("no mkfifo here: ", err)
	}
	l := Open(Options{Path: path, Stderr: io.Discard})
	defer l.Close()
	if l.Place() != "stderr" {
		t.Errorf("%s", l.Place())
	}
}
