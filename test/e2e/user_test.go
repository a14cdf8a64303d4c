package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// person is an ordinary user: with a home, and with the programs in a folder that
// is not his, which is the current folder too.
type person struct {
	t    *testing.T
	at   *lab.Lab // with the programs that he can run
	user lab.User
	home string
	bin  string
}

func newPerson(t *testing.T) person {
	t.Helper()
	user := lab.NewUser(t)
	l := lab.New(t, lab.Options{From: prepared(t)})
	p := person{t: t, user: user, bin: public(t, l)}
	p.at = elsewhere(l, p.bin)
	home, err := os.MkdirTemp("", "openped-home-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	p.home = home
	user.Give(t, home)
	return p
}

// types is what he types; everything is in its usual place below his home.
func (p person) types(line string) (stdout, stderr string, code int) {
	p.t.Helper()
	words := strings.Fields(strings.NewReplacer("{home}", p.home).Replace(line))
	env := []string{"HOME=" + p.home, "OPENPED_RUNDIR="}
	for _, v := range []string{"RUNTIME_DIR", "STATE_HOME", "CONFIG_HOME", "DATA_HOME"} {
		env = append(env, "XDG_"+v+"=")
	}
	return program(p.at, env, p.user.Put, p.bin, words[0], words[1:]...)
}

// must is types for what has to succeed.
func (p person) must(line string) string {
	p.t.Helper()
	stdout, stderr, code := p.types(line)
	if code != 0 {
		p.t.Fatalf("%s: exit code %d\n%s%s", line, code, stdout, stderr)
	}
	return stdout
}

// F-14: in the folder where it was installed an ordinary user may not write, and
// PEDserver fails with RC_SOCKET_ERROR. Here it writes nothing there; and where it
// may not write, the path is named.
//
// Without the remedy (folders of the user's own, internal/rundir) the start fails;
// without the path in the error the second part does.
func TestF14_NoRightsWhereItIsInstalled(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	start := fmt.Sprintf("pedserver -mode start -ip 127.0.0.1 -port %d -peddevice unix:{home}/ped.sock", p.at.Port)
	says(t, p.must(start), "Background process started")
	says(t, p.must("pedserver -mode show"), "Show command passed.")
	p.must("pedserver -mode stop")

	p = newPerson(t) // whose home is sealed
	if err := os.Chmod(p.home, 0o555); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := p.types(start)
	if code != failed || strings.Contains(stdout, "started") || strings.Contains(stderr, "SOCKET_ERROR") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	says(t, stderr, p.home+"/.local", "permission denied")
}

// F-21: PEDclient cannot be started by an ordinary user. Here all of it works for
// him: he owns the HSM, the sockets, the log.
//
// Without the remedy (folders of the user's own, internal/rundir) the start fails.
func TestF21_PEDclientOfAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.must("pedclient -mode createhsm -hsm {home}/hsm -serial 7000021 -origin {home}/origin")
	p.must("pedclient -mode start -hsm {home}/hsm")
	says(t, p.must("pedclient -mode show"), "7000021")
	says(t, p.must("hsmcm slot list"), "7000021")
	p.must("pedclient -mode stop")
	if _, _, code := p.types("pedclient -mode show"); code != notRunning {
		t.Errorf("show after stop: exit code %d", code)
	}
}

// Members of a daemon's group ask it and change nothing; who is in no group is told
// whom to ask.
//
// Without Group at the endpoints (internal/daemon) show is refused; without its
// check (internal/admin) the member stops the daemon.
func TestGroupAsks(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("root's daemon and another user are needed")
	}
	p := newPerson(t)
	run, err := os.MkdirTemp("", "grp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	env := []string{"OPENPED_RUNDIR=" + run}
	pedserver := func(as func(*exec.Cmd), words ...string) (string, int) {
		t.Helper()
		stdout, stderr, code := program(p.at, env, as, p.bin, "pedserver", words...)
		return stdout + stderr, code
	}
	if out, bad, code := program(p.at, env, p.user.Put, p.bin, "hsmcm", "slot", "list"); code != failed {
		t.Errorf("hsmcm: exit code %d: %s%s", code, out, bad)
	} else {
		says(t, out+bad, "not permitted: "+run+"/hsm.sock; ask root")
	}
	start := []string{"-mode", "start", "-ip", "127.0.0.1", "-port", fmt.Sprint(p.at.Port), "-peddevice", "unix:" + run + "/none.sock"}
	for _, group := range []string{"nogroup", ""} { // which is the person's
		with := start
		if group != "" {
			with = append(start, "-admingroup", group)
		}
		if out, code := pedserver(nil, with...); code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
		for _, c := range []struct {
			words string
			ok    bool
			says  string
		}{
			{"-mode show", group != "", "Show command passed."},
			{"-mode config -show", group != "", "PedDevice"},
			{"-mode claim", group != "", "Claim command passed."},
			{"-mode stop", false, "only root and the user of the service may; ask root"},
			{"-mode stop -force", false, "only root and the user of the service may; ask root"},
			{"-mode reload", false, "only root and the user of the service may; ask root"},
		} {
			out, code := pedserver(p.user.Put, strings.Fields(c.words)...)
			switch {
			case c.ok && code != 0, !c.ok && (code != failed || !strings.Contains(out, "RC_ACCESS_DENIED: not permitted: ")):
				t.Errorf("group %q: %s: exit code %d: %s", group, c.words, code, out)
			case group != "":
				says(t, out, c.says)
			case !c.ok:
				says(t, out, "pedserver.sock; ask root")
			}
		}
		if out, code := pedserver(nil, "-mode", "stop"); code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
	}
	if out, code := pedserver(nil, append(start, "-admingroup", "no-such-group")...); code != failed {
		t.Errorf("exit code %d: %s", code, out)
	} else {
		says(t, out, "there is no group no-such-group; make it, or leave -admingroup out")
	}
}

// A PED in software is for its user; with -group its members plug it in too, and no
// others. The lines of scripts, which press keys, are nobody else's.
//
// Without the group on the socket (internal/localsock) the member has no permission.
func TestGroupPlugsIn(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("root's PED and another user are needed")
	}
	p := newPerson(t)
	for _, group := range []string{"nogroup", ""} { // which is the person's
		run, err := os.MkdirTemp("", "ped")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(run) })
		args := []string{"-face", "none", "-control", "unix:" + run + "/ctl.sock"}
		if group != "" {
			args = append(args, "-group", group)
		}
		ped := exec.Command(p.bin+"/softped", args...)
		ped.Env = append(os.Environ(), "OPENPED_RUNDIR="+run)
		if err := ped.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ped.Process.Kill(); _ = ped.Wait() })
		if err := lab.Poll(20*time.Second, "the PED is there", func() error { _, err := os.Lstat(run + "/ctl.sock"); return err }); err != nil {
			t.Fatal(err)
		}
		p.must(fmt.Sprintf("pedserver -mode start -ip 127.0.0.1 -port %d -peddevice unix:%s/softped.sock", p.at.Port, run))
		want := "SOFTWARE PED"
		if group == "" {
			want = "no permission"
		}
		if err := lab.Poll(20*time.Second, want, func() error {
			if out := p.must("pedserver -mode show"); !strings.Contains(out, want) {
				return errors.New(out)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		p.must("pedserver -mode stop")
		for path, mode := range map[string]os.FileMode{"/ctl.sock": 0o600, "/softped.sock": map[bool]os.FileMode{true: 0o600, false: 0o660}[group == ""]} {
			if fi, err := os.Stat(run + path); err != nil || fi.Mode().Perm() != mode {
				t.Errorf("%s: %v %v", path, fi.Mode(), err)
			}
		}
	}
	for _, c := range []struct{ args, says string }{
		{"-group no-such-group", "there is no group no-such-group; make it, or leave -group out"},
		{"-group nogroup -usbip 127.0.0.1:1", "-group is of no use on a USB cable"},
		{"-listen pipe:ped", "for Windows"},
	} {
		_, stderr, code := program(p.at, nil, nil, p.home, "softped", append(strings.Fields(c.args), "-face", "none")...)
		if code == 0 {
			t.Errorf("%s: was taken", c.args)
		}
		says(t, stderr, c.says)
	}
}
