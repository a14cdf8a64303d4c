package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	good = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/b (0.00s)\nPASS\n"
	bad  = "--- PASS: TestA (0.00s)\n--- FAIL: TestB (1.00s)\nFAIL\n"
	skip = "--- PASS: TestA (0.00s)\n    --- SKIP: TestA/b (1.00s)\n"
)

// Whatever is not a pass with tests that ran is a failure.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name, says string
		code       int
		want       string // in the error; "" for none
	}{
		{"passed", good, passed, ""},
		{"failed", bad, failed, "TestB"},
		{"failed, and says it passed", bad, passed, "TestB"},
		{"failed without a test", "", failed, "failed"},
		{"nothing ran", "PASS\n", passed, "no test ran"},
		{"skipped", skip, passed, "TestA/b"},
		{"ended by itself", good, 0, "no verdict"},
		{"QEMU does not like its command line", "", 1, "no verdict"},
		{"another code", good, 37, "no verdict"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := machine{console: filepath.Join(t.TempDir(), "none")}.judge(t.Context(), exit(t, c.code), readTally(strings.NewReader(c.says)))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A machine that hangs is no verdict, and the end of its console is shown.
func TestNoVerdictInTime(t *testing.T) {
	console := filepath.Join(t.TempDir(), "console")
	if err := os.WriteFile(console, []byte("one\nKernel panic\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := machine{console: console, limit: time.Second}.judge(ctx, exit(t, 1), readTally(strings.NewReader(good)))
	if err == nil || !strings.Contains(err.Error(), "not within 1s") || !strings.Contains(err.Error(), "Kernel panic") {
		t.Error(err)
	}
}

// exit is the error of a program that ended with a code.
func exit(t *testing.T, code int) error {
	t.Helper()
	if code == 0 {
		return nil
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestExits$")
	cmd.Env = append(os.Environ(), "EXIT_WITH="+strconv.Itoa(code))
	return cmd.Run()
}

// TestExits is no test: it is the program of exit.
func TestExits(*testing.T) {
	if c, err := strconv.Atoi(os.Getenv("EXIT_WITH")); err == nil {
		os.Exit(c)
	}
}

// The archive is what the kernel's documentation says: heads of 110 characters,
// everything aligned to 4, folders before what is in them, a trailer.
func TestArchive(t *testing.T) {
	var b bytes.Buffer
	a := newArchive(&b)
	a.text("/bin/a", []byte("12345"), 0o755)
	a.link("bin/b", "a")
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for rest := b.Bytes(); ; {
		if len(rest) < 110 || string(rest[:6]) != "070701" {
			t.Fatalf("no head at %q", rest[:min(len(rest), 20)])
		}
		size, name := hex(t, rest[54:62]), hex(t, rest[94:102])
		names = append(names, string(rest[110:110+name-1]))
		if names[len(names)-1] == "TRAILER!!!" {
			break
		}
		data := (110 + name + 3) &^ 3
		if n := names[len(names)-1]; n == "bin/a" && string(rest[data:data+size]) != "12345" {
			t.Errorf("%s holds %q", n, rest[data:data+size])
		}
		rest = rest[(data+size+3)&^3:]
	}
	if got := strings.Join(names, " "); got != "bin bin/a bin/b TRAILER!!!" {
		t.Error(got)
	}
}

func hex(t *testing.T, b []byte) int {
	t.Helper()
	n, err := strconv.ParseUint(string(b), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}
