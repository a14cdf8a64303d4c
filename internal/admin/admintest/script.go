//go:build unix

package admintest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"openped/internal/rundir"
)

// patience bounds every wait of a script.
const patience = 20 * time.Second

// HangupsCount makes SIGHUP reach what this process starts from now on: whoever
// runs the tests may ignore it (nohup), and programs inherit that.
func HangupsCount() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) }

// Run runs the scripts of testdata for the daemons of these names. Each script has
// a run folder of its own, $RUN, and a free TCP port, $PORT; a daemon that it
// leaves behind is killed. crash and signal are about the first daemon.
//
//	exits CODE CMD ARGS   run a command that must end with the exit code
//	until TEXT CMD ARGS   repeat a command until its output contains the text;
//	                      ! until: until it does not
//	poll FILE, ! poll     wait until a file is there, or is gone
//	crash                 kill -9 the daemon and wait for its end
//	signal NAME           send TERM, STOP, CONT or HUP to the daemon
//	freeport VARIABLE     set a variable to another free TCP port
//	cpenv FROM TO         copy a file with its $VARIABLES filled in
func Run(t *testing.T, names ...string) {
	name := names[0]
	HangupsCount()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			dir, err := os.MkdirTemp("", "run") // a socket's path must be short
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(dir) })
			e.Defer(func() {
				for _, name := range names {
					if pid := pidOf(dir, name); pid > 1 {
						_ = syscall.Kill(pid, syscall.SIGKILL)
					}
				}
			})
			port, err := FreePort()
			if err != nil {
				return err
			}
			e.Setenv(rundir.Env, dir)
			e.Setenv("RUN", dir)
			e.Setenv("PORT", strconv.Itoa(port))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"until": until,
			"poll":  poll,
			"freeport": func(ts *testscript.TestScript, _ bool, args []string) {
				port, err := FreePort()
				ts.Check(err)
				ts.Setenv(args[0], strconv.Itoa(port))
			},
			"cpenv": func(ts *testscript.TestScript, _ bool, args []string) {
				text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
			},
			"crash": func(ts *testscript.TestScript, _ bool, _ []string) { crash(ts, name) },
			"signal": func(ts *testscript.TestScript, _ bool, args []string) {
				s, ok := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "HUP": syscall.SIGHUP}[args[0]]
				if !ok {
					ts.Fatalf("unknown signal %s", args[0])
				}
				send(ts, name, s)
			},
		},
	})
}

// given are the ports that this process has had from FreePort.
var given sync.Map

// FreePort returns a TCP port that nobody uses, and none twice. It is below those
// that the system gives to connections (32768 and more), which come and go.
func FreePort() (int, error) {
	for range 1000 {
		port := 20000 + rand.N(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if _, taken := given.LoadOrStore(port, true); l.Close() == nil && !taken {
			return port, nil
		}
	}
	return 0, errors.New("all ports are taken")
}

func pidOf(dir, name string) int {
	b, err := os.ReadFile(filepath.Join(dir, name+".lock"))
	if err != nil {
		return 0
	}
	number, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	pid, _ := strconv.Atoi(number)
	return pid
}

func send(ts *testscript.TestScript, name string, s syscall.Signal) int {
	pid := pidOf(ts.Getenv("RUN"), name)
	if pid <= 1 {
		ts.Fatalf("no daemon")
	}
	ts.Check(syscall.Kill(pid, s))
	return pid
}

func crash(ts *testscript.TestScript, name string) {
	pid := send(ts, name, syscall.SIGKILL)
	for end := time.Now().Add(patience); !gone(pid); {
		if time.Now().After(end) {
			ts.Fatalf("process %d survives", pid)
		}
	}
}

// gone reports whether a process has ended, though nobody may have reaped it.
func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	if !strings.HasPrefix(rest, "Z") {
		return false
	}
	// Its sockets stay open until the last of its threads is gone.
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return err != nil || len(threads) <= 1
}

func poll(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(patience); ; {
		_, err := os.Lstat(ts.MkAbs(args[0]))
		if (err == nil) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s: %v", args[0], err)
		}
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(patience); ; {
		_ = ts.Exec(args[1], args[2:]...)
		if strings.Contains(ts.ReadFile("stdout"), args[0]) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("never %q in %s", args[0], ts.ReadFile("stdout"))
		}
	}
}

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
