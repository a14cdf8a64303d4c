//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"openped/protocol"
	"openped/usbped"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pedserver": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"fakeped":   fakePED,
		"occupy":    occupy,
		"inuse":     inUse,
	})
}

// fakePED serves a software PED on a socket until it is killed.
func fakePED() {
	l, err := net.Listen("unix", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		g := usbped.NewGadget(c, usbped.Info{Serial: "P1", Firmware: "2.9.0", Software: true})
		go func() {
			for {
				m, err := g.Recv(context.Background())
				if err != nil {
					return
				}
				if m.Kind != usbped.HostFrame {
					_ = g.SendEvent(context.Background(), protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote})
				}
			}
		}()
	}
}

// occupy holds a TCP port until it is killed.
func occupy() {
	if _, err := net.Listen("tcp", ":"+os.Args[1]); err != nil {
		os.Exit(1)
	}
	select {}
}

// inUse prints a word when somebody listens on a port.
func inUse() {
	c, err := net.Dial("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		os.Exit(1)
	}
	c.Close()
	fmt.Println("port in use")
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			// A unix socket's path must be short.
			dir, err := os.MkdirTemp("", "ps")
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(dir) })
			e.Setenv("OPENPED_RUNDIR", dir)
			e.Setenv("RUN", dir)
			port, err := freePort()
			if err != nil {
				return err
			}
			e.Setenv("PORT", strconv.Itoa(port))
			e.Defer(func() { killDaemon(dir) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"poll":    poll,
			"crash":   crash,
			"freeze":  func(ts *testscript.TestScript, _ bool, _ []string) { signal(ts, syscall.SIGSTOP) },
			"sigterm": func(ts *testscript.TestScript, _ bool, _ []string) { signal(ts, syscall.SIGTERM) },
			"until":   until,
			"exits":   exits,
		},
	})
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func pidOf(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, "pedserver.lock"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

func killDaemon(dir string) {
	if pid := pidOf(dir); pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func signal(ts *testscript.TestScript, s syscall.Signal) {
	pid := pidOf(ts.Getenv("RUN"))
	if pid <= 1 {
		ts.Fatalf("no daemon")
	}
	ts.Check(syscall.Kill(pid, s))
}

// crash kills the daemon like kill -9 and waits until it is gone.
func crash(ts *testscript.TestScript, _ bool, _ []string) {
	pid := pidOf(ts.Getenv("RUN"))
	signal(ts, syscall.SIGKILL)
	for end := time.Now().Add(10 * time.Second); gone(pid) == false; {
		if time.Now().After(end) {
			ts.Fatalf("process %d survives", pid)
		}
	}
}

// gone reports whether a process has ended; nobody may have reaped it yet.
func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(rest, "Z")
}

// poll waits until a file exists (or with "!" no longer exists).
func poll(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(10 * time.Second); ; {
		_, err := os.Lstat(ts.MkAbs(args[0]))
		if (err == nil) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s: %v", args[0], err)
		}
	}
}

// until repeats a command until its output contains a text: until TEXT CMD ARGS.
func until(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(10 * time.Second); ; {
		_ = ts.Exec(args[1], args[2:]...)
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("never %q in %s", args[0], ts.ReadFile("stdout"))
		}
	}
}

// exits runs a command that must end with the exit code: exits CODE CMD ARGS.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ee *exec.ExitError
		if !errors.As(err, &ee) {
			ts.Fatalf("%v", err)
		}
		got = ee.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
