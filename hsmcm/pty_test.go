//go:build linux

package hsmcm

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"openped/protocol/hsmapi"
)

// terminal is hsmcm on a terminal of its own.
type terminal struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	done chan error

	mu   sync.Mutex
	out  bytes.Buffer
	seen int // what expect has consumed
}

func openTerminal(t *testing.T, f *fake, args ...string) *terminal {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, sock := f.listen(t)
	cmd := exec.Command(self, append([]string{"-socket", sock}, args...)...)
	cmd.Env = append(os.Environ(), asHsmcm+"=1", "TERM=xterm")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, tty: tty, cmd: cmd, done: make(chan error, 1)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 1024)
		for {
			n, err := tty.Read(buf)
			term.mu.Lock()
			term.out.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { term.done <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = tty.Close()
		<-read
	})
	return term
}

func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.String()
}

// expect waits for text after what was expected before.
func (x *terminal) expect(want string) {
	x.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		x.mu.Lock()
		if i := strings.Index(x.out.String()[x.seen:], want); i >= 0 {
			x.seen += i + len(want)
			x.mu.Unlock()
			return
		}
		x.mu.Unlock()
		if time.Now().After(deadline) {
			x.t.Fatalf("no %q in\n%q", want, x.text()[x.seen:])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (x *terminal) typeIn(s string) {
	x.t.Helper()
	if _, err := x.tty.WriteString(s); err != nil {
		x.t.Fatal(err)
	}
}

func (x *terminal) exit(want int) {
	x.t.Helper()
	select {
	case <-x.done:
		if code := x.cmd.ProcessState.ExitCode(); code != want {
			x.t.Errorf("exit code %d, want %d:\n%s", code, want, x.text())
		}
	case <-time.After(20 * time.Second):
		x.t.Fatalf("still there:\n%s", x.text())
	}
}

func TestTerminal(t *testing.T) {
	x := openTerminal(t, newFake())
	x.expect("help lists the commands")
	x.expect("hsmcm:>")
	x.typeIn("role lox\x7fgin -n so\r") // backspace edits
	x.expect("Please attend to the PED.\r\n")
	x.expect("Command Result : No Error\r\n")
	x.expect("hsmcm:>")
	x.typeIn("sl\tl\t\r") // tab finishes words
	x.expect("Current Slot Id: 1")
	x.expect("hsmcm:>")
	x.typeIn("\x1b[A\x1b[A\r") // up, up: the login again
	x.expect("role login -n so")
	x.expect("Command Result : No Error")
	x.expect("hsmcm:>")
	x.typeIn("role logut\r")
	x.expect("did you mean role logout?")
	x.expect("hsmcm:>")
	x.typeIn("exit\r")
	x.exit(0) // a person has seen the failure
}

// TestTerminalPassword: not echoed, corrected with backspace, not in the
// history.
func TestTerminalPassword(t *testing.T) {
	f := newFake()
	x := openTerminal(t, f)
	x.expect("hsmcm:>")
	x.typeIn("ped connect -password -\r")
	x.expect("One-time password (8 digits, not shown): ")
	x.typeIn("1357246\x7f68\r")
	x.expect("Command Result : No Error")
	x.expect("hsmcm:>")
	x.typeIn("\x1b[A\x1b[A\x1b[A\r")
	x.expect("ped connect -password -")
	x.expect("not shown): ")
	x.typeIn("\x03") // Ctrl-C gives the command up
	x.expect("CKR_FUNCTION_CANCELED")
	x.expect("hsmcm:>")
	x.typeIn("\x04")
	x.exit(0)
	if f.password != "13572468" {
		t.Errorf("got %q", f.password)
	}
	if strings.Contains(x.text(), "1357") || strings.Contains(x.text(), "2468") {
		t.Errorf("the password was shown: %q", x.text())
	}
}

// waiting is a login that ends only when it is cancelled.
func waiting(c *caller, _ hsmapi.Fields) (hsmapi.Fields, error) {
	c.say(hsmapi.EventAttend, nil)
	<-c.cancelled
	return nil, &hsmapi.Error{Code: hsmapi.CKR_FUNCTION_CANCELED}
}

// TestTerminalCancel: Ctrl-C ends the running command and not the console;
// at the prompt it ends the console.
func TestTerminalCancel(t *testing.T) {
	f := newFake()
	f.handlers[hsmapi.Login] = waiting
	x := openTerminal(t, f)
	x.expect("hsmcm:>")
	x.typeIn("role login -n so\r")
	x.expect("Please attend to the PED.")
	x.typeIn("\x03")
	x.expect("Cancelling.")
	x.expect("Command Result : 0x50 (CKR_FUNCTION_CANCELED)")
	x.expect("hsmcm:>")
	x.typeIn("slot list\r")
	x.expect("Current Slot Id: 1")
	x.expect("hsmcm:>")
	x.typeIn("\x03")
	x.exit(0)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cancels != 1 || f.conns != 1 {
		t.Errorf("%d cancels on %d connections", f.cancels, f.conns)
	}
}

// TestTerminalCancelTwice: a pedclient that does not answer holds nobody.
func TestTerminalCancelTwice(t *testing.T) {
	f := newFake()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	f.handlers[hsmapi.Login] = func(c *caller, _ hsmapi.Fields) (hsmapi.Fields, error) {
		c.say(hsmapi.EventAttend, nil)
		<-hang
		return nil, nil
	}
	x := openTerminal(t, f, "role", "login", "-n", "so")
	x.expect("Please attend to the PED.")
	x.typeIn("\x03")
	x.expect("Cancelling.")
	x.typeIn("\x03")
	x.expect("CKR_FUNCTION_CANCELED")
	x.exit(2)
}

func TestTerminalProceed(t *testing.T) {
	x := openTerminal(t, newFake())
	x.expect("hsmcm:>")
	x.typeIn("hsm init -label x\r")
	x.expect("quit now ->")
	x.typeIn("yes\r") // neither word: asked again
	x.expect("quit now ->")
	x.typeIn("proceed\r")
	x.expect("Command Result : No Error")
	x.expect("hsmcm:>")
	x.typeIn("hsm init -label x\r")
	x.expect("quit now ->")
	x.typeIn("\x03")
	x.expect("CKR_FUNCTION_CANCELED")
	x.expect("hsmcm:>")
	x.typeIn("\x1b[A\r") // the answers are not in the history
	x.expect("hsm init -label x")
	x.expect("quit now ->")
	x.typeIn("quit\r")
	x.expect("CKR_FUNCTION_CANCELED")
	x.expect("hsmcm:>")
	x.typeIn("exit\r")
	x.exit(0)
}

// TestTerminalRestored: however the console ends, the terminal is as it was.
func TestTerminalRestored(t *testing.T) {
	fresh, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	defer slave.Close()
	before, err := term.GetState(int(fresh.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(*terminal){
		"exit":   func(x *terminal) { x.typeIn("exit\r") },
		"ctrl-c": func(x *terminal) { x.typeIn("\x03") },
		"term":   func(x *terminal) { _ = x.cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			x := openTerminal(t, newFake())
			x.expect("hsmcm:>")
			end(x)
			x.exit(0)
			after, err := term.GetState(int(x.tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			if *before != *after {
				t.Error("the terminal was left changed")
			}
		})
	}
}

// TestRestartedPedclient: the next command after a restart works, and says that
// the login is gone.
func TestRestartedPedclient(t *testing.T) {
	f := newFake()
	x := openTerminal(t, f)
	x.expect("hsmcm:>")
	x.typeIn("role login -n so\r")
	x.expect("No Error")
	x.expect("hsmcm:>")
	f.hangUp()
	x.typeIn("role logout\r")
	x.expect("(pedclient was restarted: an earlier login has ended)")
	x.expect("CKR_USER_NOT_LOGGED_IN")
	x.expect("hsmcm:>")
	x.typeIn("exit\r")
	x.exit(0)
}
