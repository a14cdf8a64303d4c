package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// commandLimit bounds a command that is to end by itself.
const commandLimit = 60 * time.Second

// ended is how a command ended.
type ended struct {
	words    string
	out, err string
	code     int
}

func (e ended) String() string {
	return fmt.Sprintf("%s: exit code %d\n%s%s", e.words, e.code, e.out, e.err)
}

// both is all that a command has said.
func (e ended) both() string { return e.out + e.err }

// run runs a command as root, to its end.
func run(t testing.TB, name string, args ...string) ended {
	t.Helper()
	return finish(t, exec.Command(name, args...))
}

func finish(t testing.TB, cmd *exec.Cmd) ended {
	t.Helper()
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(commandLimit, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait()
	return ended{strings.Join(cmd.Args, " "), out.String(), errors.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command as root to its good end and returns what it said.
func must(t testing.TB, name string, args ...string) string {
	t.Helper()
	e := run(t, name, args...)
	if e.code != 0 {
		t.Fatal(e)
	}
	return e.both()
}

// says checks that people are told each of the parts.
func says(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(p)) {
			t.Errorf("it is not said %q:\n%s", p, text)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func poll(t testing.TB, what string, limit time.Duration, ok func() error) {
	t.Helper()
	if err := lab.Poll(limit, what, ok); err != nil {
		t.Fatal(err)
	}
}

// property is what systemd knows of a unit.
func property(t testing.TB, unit, name string) string {
	t.Helper()
	return strings.TrimSpace(must(t, "systemctl", "show", "--value", "-p", name, unit))
}

// pid is the main process of a service.
func pid(t testing.TB, unit string) string {
	t.Helper()
	p := property(t, unit, "MainPID")
	if p == "0" || p == "" {
		t.Fatalf("%s has no process", unit)
	}
	return p
}

// is checks a unit's state.
func is(state, unit string) error {
	out, _ := exec.Command("systemctl", "is-active", unit).Output()
	if s := strings.TrimSpace(string(out)); s != state {
		return errors.New(unit + " is " + s + ", not " + state)
	}
	return nil
}
