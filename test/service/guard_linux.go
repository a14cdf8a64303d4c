package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// plan is what is to be done, as one process tells it to the next.
type plan struct {
	Work   string // a folder of this machine's
	Cgroup string // of everything that is started
	Run    string // only tests that this matches
	Shell  bool
}

func (p plan) kit() string { return filepath.Join(p.Work, "kit") }

// In the cgroup nobody but systemd may be beside its own processes.
func (p plan) machine() string { return filepath.Join(p.Cgroup, "machine") }
func (p plan) keeper() string  { return filepath.Join(p.Cgroup, "keeper") }

func (p plan) encode() (string, error) {
	b, err := json.Marshal(p)
	return string(b), err
}

func decode(s string) (p plan, err error) {
	err = json.Unmarshal([]byte(s), &p)
	return p, err
}

const (
	keeperRole = "keeper"
	stageRole  = "stage"
)

// guard has a keeper carry out a plan and sees to it that nothing is left.
func guard(ctx context.Context, unified string, p plan) (err error) {
	p.Cgroup = filepath.Join(unified, prefix+strconv.Itoa(os.Getpid()))
	defer func() {
		if e := removeCgroup(p.Cgroup); err == nil {
			err = e
		}
	}()
	for _, dir := range []string{p.Cgroup, p.keeper(), p.machine()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("the right to make cgroups is needed: %w", err)
		}
	}
	cmd, done, err := role(keeperRole, p, p.keeper(), unix.CLONE_NEWNS)
	if err != nil {
		return err
	}
	defer done()
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if p.Shell {
		cmd.Stdin = os.Stdin
	} else {
		cmd.SysProcAttr.Setpgid = true // Ctrl-C is for us
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("a mount namespace: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
		if err != nil {
			err = errSaid
		}
	case <-ctx.Done():
		// The keeper shows what was going on, if it still can.
		if err = context.Cause(ctx); ctx.Err() == context.DeadlineExceeded {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
			}
		}
	}
	return err
}

// role is this program in another role, in a cgroup and in new namespaces. It is
// killed when this thread ends.
func role(name string, p plan, cgroup string, namespaces uintptr) (cmd *exec.Cmd, done func(), err error) {
	arg, err := p.encode()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.Open(cgroup)
	if err != nil {
		return nil, nil, err
	}
	cmd = exec.Command("/proc/self/exe", name, arg)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL,
		UseCgroupFD: true, CgroupFD: int(dir.Fd()),
	}
	return cmd, func() { dir.Close() }, nil
}

// prefix and the number of the process are what its cgroup and its folder are called.
const prefix = "openped-service-"

// sweep removes what is left of those that were killed.
func sweep(unified string) {
	for _, in := range []string{unified, os.TempDir()} {
		left, _ := filepath.Glob(filepath.Join(in, prefix+"*"))
		for _, dir := range left {
			pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
			n, err := strconv.Atoi(pid)
			switch {
			case err != nil || unix.Kill(n, 0) != unix.ESRCH:
			case in == unified:
				_ = removeCgroup(dir)
			default:
				_ = os.RemoveAll(dir)
			}
		}
	}
}

// removeCgroup kills all that is in a cgroup and removes it.
func removeCgroup(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	var err error
	for begun := time.Now(); time.Since(begun) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
		var dirs []string
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			err = unix.Rmdir(dirs[i])
		}
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("left behind: %s: %w", dir, err)
}
