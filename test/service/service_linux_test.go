package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Whatever is not a pass with tests that ran is a failure.
func TestVerdict(t *testing.T) {
	const (
		good = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/b (0.00s)\nPASS\n"
		bad  = "--- PASS: TestA (0.00s)\n--- FAIL: TestB (1.00s)\nFAIL\n"
		skip = "--- PASS: TestA (0.00s)\n    --- SKIP: TestA/b (1.00s)\n"
	)
	for _, c := range []struct {
		name, says string
		ended      error
		want       string // in the error; "" for none
	}{
		{"passed", good, nil, ""},
		{"failed", bad, errors.New("exit status 1"), "TestB"},
		{"failed, and says it passed", bad, nil, "TestB"},
		{"killed", good, errors.New("signal: killed"), "no verdict"},
		{"skipped", skip, nil, "TestA/b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tally, err := readTally(strings.NewReader(c.says))
			if err == nil {
				err = tally.judge(c.ended)
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A day in which nothing happened is no test that passed.
func TestTally(t *testing.T) {
	tally, err := readTally(strings.NewReader("--- PASS: TestDay1 (0.00s)\n--- PASS: TestDay2 (0.00s)\n    --- PASS: TestDay2/a (0.00s)\nPASS\n"))
	if err != nil || tally.passed != 1 {
		t.Errorf("%+v %v", tally, err)
	}
}

// cgroup2 is found where it is alone and beside version 1.
func TestCgroup2(t *testing.T) {
	for mountinfo, want := range map[string]string{
		"24 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n":                                        "/sys/fs/cgroup",
		"30 1 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n31 1 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n": "/sys/fs/cgroup/unified",
		"30 1 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n":                                                             "",
	} {
		if got := cgroup2(mountinfo); got != want {
			t.Errorf("%q in\n%s", got, mountinfo)
		}
	}
}

// What a killed run has left goes; what a living one has stays.
func TestSweep(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	stale := filepath.Join(dir, prefix+strconv.Itoa(gone.Process.Pid)+"-1")
	alive := filepath.Join(dir, prefix+strconv.Itoa(os.Getpid())+"-1")
	for _, d := range []string{stale, alive} {
		if err := os.MkdirAll(filepath.Join(d, "kit"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	sweep(t.TempDir())
	if _, err := os.Stat(stale); err == nil {
		t.Error("the folder of a process that is gone stayed")
	}
	if _, err := os.Stat(alive); err != nil {
		t.Error("the folder of a living process went")
	}
}
