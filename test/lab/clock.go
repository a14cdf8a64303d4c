package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ClockEnv names a file with the seconds by which the wall clock of a program of
// ClockedBin is wrong; it may change while the program runs.
const ClockEnv = "OPENPED_TEST_CLOCK"

// The place in the standard library where the wall clock is read, and what is
// put there.
const (
	clockFile  = "time.go"
	clockPlace = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	clockShift = "\tsec += labNow\n"
)

// labShift is what is added to package time. It looks at the file every 20 ms, in
// a goroutine: time.Now is called where nothing can be read.
const labShift = `package time

import "syscall"

var (
	labPath, _ = syscall.Getenv("` + ClockEnv + `")
	labNow     int64 // the shift; no atomic: package time is below them
)

func init() {
	if labPath == "" {
		return
	}
	labLook()
	go func() {
		for {
			Sleep(20 * Millisecond)
			labLook()
		}
	}()
}

func labLook() {
	fd, err := open(labPath)
	if err != nil {
		return
	}
	buf := make([]byte, 32)
	n, _ := read(fd, buf)
	closefd(fd)
	if n == 0 { // being written
		return
	}
	shift, sign := int64(0), int64(1)
	for i := 0; i < n; i++ {
		switch c := buf[i]; {
		case c == '-':
			sign = -1
		case c >= '0' && c <= '9':
			shift = 10*shift + int64(c-'0')
		}
	}
	labNow = sign * shift
}
`

// clockOverlay writes into dir what go build -overlay needs for a clock that can be
// set, and returns its file. It fails when the standard library is not as it
// expects.
func clockOverlay(dir string) (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	lib := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	source, err := os.ReadFile(filepath.Join(lib, clockFile))
	if err != nil {
		return "", err
	}
	if strings.Count(string(source), clockPlace) != 1 {
		return "", fmt.Errorf("%s is not as expected: time.Now does not begin with %q; adapt test/lab/clock.go to this Go", filepath.Join(lib, clockFile), clockPlace)
	}
	changed := strings.Replace(string(source), clockPlace, clockPlace+clockShift, 1)
	replace := map[string]string{}
	for name, text := range map[string]string{clockFile: changed, "lab_shift.go": labShift} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(lib, name)] = path
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}

// clocked are the programs with a clock that can be set.
var clocked = builds{make: func(dir string) error {
	src, err := os.MkdirTemp("", "openped-clock-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(src)
	overlay, err := clockOverlay(src)
	if err != nil {
		return err
	}
	return build(dir, "-overlay", overlay)
}}

// ClockedBin returns a folder with the programs, built with a clock that can be
// set: the wall clock of a process is wrong by what its ClockEnv says, its
// monotonic clock is not. It is nothing that could be shipped.
func ClockedBin(t testing.TB) string { t.Helper(); return clocked.folder(t) }

func (s *Stage) clockPath(program string) string { return s.Path("clock." + program) }

// SetClock makes the wall clock of the lab's programs wrong by d from now on, of
// all of them or of those named. The lab has to be made with Options.Clock.
func (l *Lab) SetClock(d time.Duration, programs ...string) {
	l.T.Helper()
	if len(programs) == 0 {
		programs = Programs
	}
	for _, p := range programs {
		if err := os.WriteFile(l.clockPath(p), []byte(strconv.FormatInt(int64(d/time.Second), 10)), 0o600); err != nil {
			l.T.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond) // they look every 20
}
