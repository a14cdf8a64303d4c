//go:build unix

package admintest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// nobody is the ordinary user of the tests.
const nobody = 65534

// again marks a run as an ordinary user.
const again = "OPENPED_TEST_AGAIN"

// AsOrdinaryUser runs the other tests of this binary again as somebody who is not
// root, with a home of his own. name is the test that calls it. Continuous
// integration must run it as root: an ordinary user can not show what root can do.
func AsOrdinaryUser(t *testing.T, name string) {
	if os.Geteuid() != 0 {
		if os.Getenv(again) == "" && os.Getenv("CI") != "" {
			t.Fatal("run this as root")
		}
		t.Skip("this is an ordinary user")
	}
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	// The test's own program and folder may be closed to others.
	program := filepath.Join(home, "again.test")
	for _, c := range [][]string{
		{"cp", os.Args[0], program}, {"cp", "-r", "testdata", home}, {"mkdir", home + "/tmp"},
		{"chmod", "-R", "a+rX", home}, {"chown", "-R", fmt.Sprint(nobody), home},
	} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", c, err, out)
		}
	}
	cmd := exec.Command(program, "-test.skip=^"+name+"$", "-test.timeout=5m")
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "TMPDIR=" + home + "/tmp", "PATH=" + os.Getenv("PATH"), "CI=" + os.Getenv("CI"), again + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
