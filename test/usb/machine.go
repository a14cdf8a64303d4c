package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// machine is an emulated PC without any device but two serial ports and a way to
// end with an exit code.
type machine struct {
	kernel, image string
	console       string // where the kernel's words go
	memory        int    // MB
	limit         time.Duration
}

// Exit codes of the verdict.
const (
	passed = 33
	failed = 35
)

// boot runs the machine to its verdict. What the tests print is printed as it
// comes; it returns how many passed.
func (m machine) boot(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", strconv.Itoa(m.memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "file:"+m.console, "-serial", "stdio",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=1",
		"-kernel", m.kernel, "-initrd", m.image,
		"-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on tsc=reliable")
	cmd.WaitDelay = 5 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	t := readTally(out)
	err = cmd.Wait()
	return t.passed, m.judge(ctx, err, t)
}

// judge turns how the machine ended into a verdict.
func (m machine) judge(ctx context.Context, err error, t tally) error {
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		return err
	}
	switch {
	case code == failed:
		return fmt.Errorf("failed: %s", strings.Join(t.failed, " "))
	case code != passed:
		why := fmt.Sprintf("QEMU ended with %d", code)
		if ctx.Err() != nil {
			why = fmt.Sprintf("not within %v", m.limit)
		}
		return fmt.Errorf("no verdict: %s; the end of the console:\n%s", why, tail(m.console, 40))
	case t.skipped != nil:
		return fmt.Errorf("skipped, which nothing may be: %s", strings.Join(t.skipped, " "))
	case t.failed != nil:
		return fmt.Errorf("failed although the machine says it passed: %s", strings.Join(t.failed, " "))
	case t.passed == 0:
		return errors.New("no test ran")
	}
	return nil
}

// tally is what became of the tests, by the lines that they print.
type tally struct {
	passed          int
	failed, skipped []string
}

// readTally prints what the machine prints and counts, until it ends.
func readTally(r io.Reader) tally {
	var t tally
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			fmt.Println(line)
			t.count(line)
		}
		if err != nil {
			return t
		}
	}
}

func (t *tally) count(line string) {
	word, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
	name, _, _ := strings.Cut(rest, " ")
	switch {
	case !ok:
	case word == "--- PASS":
		t.passed++
	case word == "--- FAIL":
		t.failed = append(t.failed, name)
	case word == "--- SKIP":
		t.skipped = append(t.skipped, name)
	}
}

// tail is the end of a file, at most n lines.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
