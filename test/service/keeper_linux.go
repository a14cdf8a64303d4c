package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Bounds of what takes 2 s, and 1.
const (
	bootLimit = 30 * time.Second
	haltLimit = 30 * time.Second
)

// keep carries out a plan. The layer that the machine writes to is a file system
// in memory that nobody else sees, and that ends with this process.
func keep(arg string) error {
	p, err := decode(arg)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := layer(p); err != nil {
		return err
	}
	if p.Shell {
		return shell(ctx, p)
	}
	var total tally
	for n, day := range days {
		t, err := live(ctx, p, n, day)
		total.add(t)
		if err != nil {
			return err
		}
	}
	if total.passed == 0 {
		return errors.New("no test ran")
	}
	fmt.Printf("service: %d tests passed\n", total.passed)
	return nil
}

// days are the tests' names; the machine reboots between two days.
var days = []string{"TestDay1", "TestDay2"}

// live is one day of the machine, from boot to reboot.
func live(ctx context.Context, p plan, n int, day string) (tally, error) {
	m, err := boot(ctx, p)
	if err != nil {
		return tally{}, err
	}
	t, err := m.test(ctx, p, day)
	if err == nil && n+1 < len(days) {
		begun := time.Now()
		if err = m.reboot(ctx); err == nil {
			fmt.Printf("service: the machine went down in %.1f s\n", time.Since(begun).Seconds())
		}
	}
	if err != nil {
		m.testify()
	}
	return t, err
}

// machine is a running systemd.
type machine struct {
	cmd     *exec.Cmd
	console string // what it says there
	ended   chan struct{}
}

// boot starts systemd over the layer and waits until it has done so.
func boot(ctx context.Context, p plan) (*machine, error) {
	begun := time.Now()
	master, console, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("a console: %w", err)
	}
	cmd, done, err := role(stageRole, p, p.machine(),
		unix.CLONE_NEWPID|unix.CLONE_NEWNS|unix.CLONE_NEWUTS|unix.CLONE_NEWIPC|unix.CLONE_NEWNET)
	if err != nil {
		return nil, err
	}
	defer done()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = console, console, console
	cmd.SysProcAttr.Setsid = true
	m := &machine{cmd: cmd, console: filepath.Join(p.Work, "console"), ended: make(chan struct{})}
	log, err := os.OpenFile(m.console, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	_ = console.Close()
	go func() {
		_, _ = io.Copy(log, master)
		_ = log.Close()
	}()
	go func() {
		_ = cmd.Wait()
		close(m.ended)
	}()
	if err := m.up(ctx); err != nil {
		return nil, fmt.Errorf("%w; the end of the console:\n%s", err, tail(m.console, 30))
	}
	// The tests are not systemd's.
	if err := os.Mkdir(testsCgroup(p), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	fmt.Printf("service: booted in %.1f s\n", time.Since(begun).Seconds())
	return m, nil
}

func testsCgroup(p plan) string { return filepath.Join(p.machine(), "tests") }

func (m *machine) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bootLimit, fmt.Errorf("systemd is not up within %v", bootLimit))
	defer cancel()
	state := ""
	for {
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", m.cmd.Process.Pid)); err == nil && string(comm) == "systemd\n" {
			out, _ := m.command(ctx, "systemctl", "is-system-running").Output()
			state = strings.TrimSpace(string(out))
		}
		switch state {
		case "running":
			return nil
		case "degraded":
			out, _ := m.command(ctx, "systemctl", "--no-legend", "--plain", "--failed").CombinedOutput()
			return fmt.Errorf("units have failed before any test: %s", bytes.TrimSpace(out))
		}
		select {
		case <-m.ended:
			return errors.New("systemd ended")
		case <-ctx.Done():
			return fmt.Errorf("%w; its state: %q", context.Cause(ctx), state)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// command is a program in the machine, with none of our environment.
func (m *machine) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{
		"-t", strconv.Itoa(m.cmd.Process.Pid), "-p", "-m", "-u", "-i", "-n", "-C", "-r", "-w", "--",
		"env", "-i", "PATH=" + path, "HOME=/root", "LANG=C.UTF-8", "TERM=" + os.Getenv("TERM"), name}, args...)...)
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// test runs the tests of one day. What they print is printed as it comes.
func (m *machine) test(ctx context.Context, p plan, day string) (tally, error) {
	pattern := day
	if p.Run != "" {
		pattern += "/" + p.Run
	}
	cmd := m.command(ctx, kitInside+"/"+testProgram, "-test.v", "-test.run=^"+pattern, "-test.timeout=4m")
	dir, err := os.Open(testsCgroup(p))
	if err != nil {
		return tally{}, err
	}
	defer dir.Close()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		return tally{}, err
	}
	go func() { in.CloseWithError(cmd.Wait()) }()
	t, err := readTally(out)
	return t, t.judge(err)
}

// reboot takes the machine down in good order; it ends as for a reboot, not
// otherwise.
func (m *machine) reboot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, haltLimit)
	defer cancel()
	out, err := m.command(ctx, "systemctl", "reboot").CombinedOutput()
	select {
	case <-m.ended:
	case <-ctx.Done():
		return fmt.Errorf("systemctl reboot: not within %v: %v: %s; the end of the console:\n%s", haltLimit, err, out, tail(m.console, 30))
	}
	if status, ok := m.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGHUP {
		return fmt.Errorf("systemctl reboot: the machine ended with %v; the end of the console:\n%s", m.cmd.ProcessState, tail(m.console, 30))
	}
	return nil
}

// testify prints what the machine has to say about a failure.
func (m *machine) testify() {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	for _, words := range [][]string{
		{"systemctl", "--no-pager", "--no-legend", "--plain", "--failed"},
		{"journalctl", "--no-pager", "-q", "-o", "short-monotonic", "-n", "60", "-p", "warning"},
		{"journalctl", "--no-pager", "-q", "-o", "short-monotonic", "-n", "120",
			"-u", "pedserver*", "-u", "pedclient*", "-u", "softped*", "-u", "desk2*"},
	} {
		fmt.Println("---", strings.Join(words, " "))
		cmd := m.command(ctx, words[0], words[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
		_ = cmd.Run()
	}
}

// shell is for people who want to look around.
func shell(ctx context.Context, p plan) error {
	m, err := boot(ctx, p)
	if err != nil {
		return err
	}
	cmd := m.command(ctx, "bash", "-i")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	_ = cmd.Run()
	return nil
}
