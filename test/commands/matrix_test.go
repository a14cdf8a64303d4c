//go:build linux

package commands

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"openped/internal/admin/admintest"
	"openped/internal/rc"
	"openped/internal/rundir"
)

// desk is a computer with pedserver on it, in a run folder of its own.
type desk struct {
	t      *testing.T
	folder string
	port   string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	folder, err := os.MkdirTemp("", "run") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	port, err := admintest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t, folder, fmt.Sprint(port)}
	t.Cleanup(func() {
		if b, err := os.ReadFile(filepath.Join(folder, "pedserver.lock")); err == nil {
			var pid int
			if _, err := fmt.Sscan(string(b), &pid); err == nil && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		os.RemoveAll(folder)
	})
	return d
}

func (d *desk) pedserver(line string) (code int, stdout, stderr string) {
	d.t.Helper()
	return d.run("pedserver", line)
}

// run runs one command line; {run} and {port} are filled in.
func (d *desk) run(program, line string) (code int, stdout, stderr string) {
	d.t.Helper()
	words := strings.Fields(strings.NewReplacer("{run}", d.folder, "{port}", d.port).Replace(line))
	cmd := exec.Command(program, words...)
	cmd.Env = append(os.Environ(), rundir.Env+"="+d.folder)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 20 * time.Second
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		d.t.Fatalf("%s: %v", line, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func (d *desk) must(line string) {
	d.t.Helper()
	if code, out, errs := d.pedserver(line); code != 0 {
		d.t.Fatalf("pedserver %s: exit code %d\n%s%s", line, code, out, errs)
	}
}

// The modes of a PEDserver.
const (
	stopped = iota
	legacy
	peer // with appliance a started, and b registered
	modes
)

func (d *desk) enter(mode int) {
	d.t.Helper()
	d.must("-mode config -set PedDevice unix:{run}/ped.sock IP 127.0.0.1 Port {port}")
	d.must("-regen -commonname desk")
	for _, name := range []string{"a", "b"} { // each with a certificate of its own
		d.must("-regen -commonname " + name + " -configfile {run}/scratch.conf")
		d.must("-appliance register -name " + name + " -certificate {run}/cert/client/" + name + ".pem -ip 127.0.0.1 -port {port}")
	}
	switch mode {
	case legacy:
		d.must("-mode start")
	case peer:
		d.must("-mode start -name a")
	}
}

// outcome is what a command must do: an exit code, and for a failure the return
// code in its one line. After it the daemon must be in mode then.
type outcome struct {
	code int
	rc   rc.Code
	then int
}

// TestModes: every command in every mode. Nothing is left to chance: what is
// refused says which code, in one line, and changes nothing.
func TestModes(t *testing.T) {
	ok := func(then int) outcome { return outcome{0, 0, then} }
	no := func(code rc.Code, then int) outcome { return outcome{2, code, then} }
	absent := outcome{3, rc.NotRunning, stopped}
	same := [modes]outcome{ok(stopped), ok(legacy), ok(peer)}
	for _, c := range []struct {
		line string
		want [modes]outcome // when stopped, legacy, peer
	}{
		{"-mode start", [modes]outcome{ok(legacy), no(rc.AlreadyRunning, legacy), no(rc.AlreadyRunning, peer)}},
		{"-mode start -name a", [modes]outcome{ok(peer), no(rc.LegacyMode, legacy), no(rc.AlreadyRunning, peer)}},
		{"-mode start -name b", [modes]outcome{ok(peer), no(rc.LegacyMode, legacy), ok(peer)}},
		{"-mode start -name nobody", [modes]outcome{no(rc.NotRegistered, stopped), no(rc.LegacyMode, legacy), no(rc.NotRegistered, peer)}},
		{"-mode stop", [modes]outcome{absent, ok(stopped), ok(stopped)}},
		{"-mode stop -name a", [modes]outcome{absent, no(rc.LegacyMode, legacy), ok(stopped)}},
		{"-mode stop -name b", [modes]outcome{absent, no(rc.LegacyMode, legacy), no(rc.NotRegistered, peer)}},
		{"-mode show", [modes]outcome{absent, ok(legacy), ok(peer)}},
		{"-mode show -name a", [modes]outcome{absent, no(rc.LegacyMode, legacy), ok(peer)}},
		{"-mode show -name b", [modes]outcome{absent, no(rc.LegacyMode, legacy), no(rc.NotRegistered, peer)}},
		{"-mode show -format json", [modes]outcome{absent, ok(legacy), ok(peer)}},
		{"-mode connect -name nobody", [modes]outcome{absent, no(rc.LegacyMode, legacy), no(rc.NotRegistered, peer)}},
		{"-mode connect -name b", [modes]outcome{absent, no(rc.LegacyMode, legacy), no(rc.NotRegistered, peer)}},
		{"-mode disconnect -name a", [modes]outcome{absent, no(rc.LegacyMode, legacy), ok(peer)}},
		{"-mode disconnect -name b", [modes]outcome{absent, no(rc.LegacyMode, legacy), no(rc.NotRegistered, peer)}},
		{"-mode reload", [modes]outcome{absent, ok(legacy), ok(peer)}},
		{"-mode release", [modes]outcome{absent, ok(legacy), ok(peer)}},
		{"-mode claim", [modes]outcome{absent, ok(legacy), ok(peer)}},
		{"-mode config -show", same},
		{"-mode config -set -idletimeout 100", same},
		{"-mode config -name a -show", same},
		{"-mode config -name a -set -port 4711", same},
		{"-appliance list", same},
		{"-appliance register -name c -certificate {run}/cert/client/desk.pem -ip 127.0.0.1", same},
		{"-appliance delete -name b -force", same},
		{"-appliance delete -name a -force", same},
		{"-administrator register -name c -certificate {run}/cert/client/a.pem", same},
		{"-administrator list", same},
		{"-regen -commonname desk -force", same},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			for mode, want := range c.want {
				d := newDesk(t)
				d.enter(mode)
				code, stdout, stderr := d.pedserver(c.line)
				what := fmt.Sprintf("%s when %s", c.line, [...]string{"stopped", "legacy", "peer-to-peer"}[mode])
				if code != want.code {
					t.Errorf("%s: exit code %d, want %d\n%s%s", what, code, want.code, stdout, stderr)
				}
				switch {
				case want.code == 0 && stderr != "":
					t.Errorf("%s: %s", what, stderr)
				case want.code != 0 && (strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want.rc.String()+": ")):
					t.Errorf("%s: want one line with %s: %s", what, want.rc, stderr)
				}
				if now := d.mode(); now != want.then {
					t.Errorf("%s: mode %d afterwards, want %d", what, now, want.then)
				}
			}
		})
	}
}

// mode asks which mode pedserver is in.
func (d *desk) mode() int {
	d.t.Helper()
	code, stdout, stderr := d.pedserver("-mode show -format json")
	switch {
	case code == 3:
		return stopped
	case code == 0 && strings.Contains(stdout, `"mode": "legacy"`):
		return legacy
	case code == 0 && strings.Contains(stdout, `"mode": "peer-to-peer"`):
		return peer
	}
	d.t.Fatalf("show: exit code %d\n%s%s", code, stdout, stderr)
	return 0
}
