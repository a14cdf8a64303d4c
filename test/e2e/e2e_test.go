package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// prepared is the folder of a lab with a paired PED and an initialised HSM, made
// once.
func prepared(t *testing.T) string { t.Helper(); return lab.Prepared(t, 1) }

// ready is a lab that goes on from there, connected.
func ready(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	o.From = prepared(t)
	l := lab.Start(t, o)
	l.Must(l.Connect(), lab.People{})
	return l
}

const login = "role login -name so"

// fails runs a command that has to end with a code, and returns what was printed.
func fails(t *testing.T, l *lab.Lab, code string, p lab.Play) string {
	t.Helper()
	e, err := l.Perform(p)
	if err != nil || !strings.Contains(e.Result, code) {
		t.Fatalf("%s: %v\n%v\nwant %s", p.Command, err, e, code)
	}
	return e.Output
}

// says checks that people are told each of the parts.
func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(p)) {
			t.Errorf("it is not said %q:\n%s", p, text)
		}
	}
}

// only acts, at one screen of a play, by a test's own hand; the people do nothing
// there any more.
func only(id string, act func()) func(lab.Screen) bool {
	done := false
	return func(s lab.Screen) bool {
		if s.ID == id && !done {
			done = true
			act()
			return false
		}
		return true
	}
}

// took measures how long something takes.
func took(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

// program runs one of the programs with its streams apart.
func program(l *lab.Lab, env []string, as func(*exec.Cmd), dir, name string, args ...string) (stdout, stderr string, code int) {
	cmd := exec.Command(filepath.Join(l.Bin, name), args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "OPENPED_RUNDIR="+l.Dir), env...)
	if as != nil {
		as(cmd)
	}
	var out, bad strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Start(); err != nil {
		return "", err.Error(), -1
	}
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
	return out.String(), bad.String(), cmd.ProcessState.ExitCode()
}
