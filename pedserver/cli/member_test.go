//go:build linux

package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"openped/internal/admin/admintest"
	"openped/internal/rundir"
)

// TestMemberForcesNothing plays a member of the group: he may have the PED given up and
// taken back, and not taken from an HSM that has it.
//
// Without admin.Owner in deviceEndpoints he may.
func TestMemberForcesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be several users")
	}
	const member = 47111
	group, err := user.LookupGroupId("65534")
	if err != nil {
		t.Skip("this computer has no group of nobody")
	}
	top, err := os.MkdirTemp("/run", "openped-test-") // where only root can make folders
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	program, run := filepath.Join(top, name), filepath.Join(top, "run")
	if out, err := exec.Command("cp", os.Args[0], program).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	if err := errors.Join(os.Chmod(top, 0o755), os.Chmod(program, 0o755), os.Mkdir(run, 0o750)); err != nil {
		t.Fatal(err)
	}
	pedserver := func(uid uint32, args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Env = top, append(os.Environ(), rundir.Env+"="+run, "HOME="+top)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: 65534 * min(uid, 1)}}
		out, err := cmd.CombinedOutput()
		return fmt.Sprintf("%s\n%v", out, err)
	}
	port, err := admintest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	if out := pedserver(0, "-mode", "start", "-port", fmt.Sprint(port), "-peddevice", "unix:"+top+"/none", "-admingroup", group.Name); !strings.Contains(out, "process started") {
		t.Fatal(out)
	}
	t.Cleanup(func() { pedserver(0, "-mode", "stop", "-force") })
	for _, c := range []struct {
		uid  uint32
		line string
		want string
	}{
		{member, "-mode release -force", "0xc0001003 RC_ACCESS_DENIED: not permitted: only root and the user of the service may; ask root\n\nexit status 2"},
		{member, "-mode release", "Release command passed.\n\n<nil>"},
		{member, "-mode claim", "Claim command passed.\n\n<nil>"},
		{0, "-mode release -force", "Release command passed.\n\n<nil>"},
	} {
		if out := pedserver(c.uid, strings.Fields(c.line)...); !strings.HasSuffix(out, c.want) {
			t.Errorf("user %d, %s:\n%s", c.uid, c.line, out)
		}
	}
}
