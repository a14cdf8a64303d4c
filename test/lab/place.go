package lab

import (
	"os"
	"os/exec"
	"testing"
)

// Place is where or as whom a program is started.
type Place interface{ Put(*exec.Cmd) }

// Lacks ends a test for which the machine lacks something: it is skipped with
// the reason, and fails where CI is set, so that nothing is left out unseen.
func Lacks(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s (CI is set: nothing is left out)", why)
	}
	t.Skip(why)
}
