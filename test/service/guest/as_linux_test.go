package guest

import (
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// person is a user of the machine, without rights.
type person string

// newPerson gives the machine one, with a home and no groups but his own.
func newPerson(t testing.TB, name string) person {
	t.Helper()
	must(t, "useradd", "--create-home", "--user-group", "--shell", "/bin/bash", name)
	t.Cleanup(func() { run(t, "userdel", "--remove", name) })
	return person(name)
}

// joins makes him a member of a group; it counts from his next login, which is his
// next run here.
func (p person) joins(t testing.TB, group string) {
	t.Helper()
	must(t, "usermod", "-aG", group, string(p))
}

// run runs a command as he would after a login.
func (p person) run(t testing.TB, name string, args ...string) ended {
	t.Helper()
	cmd := exec.Command(name, args...)
	p.be(t, cmd)
	return finish(t, cmd)
}

func (p person) be(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	u, err := user.Lookup(string(p))
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) uint32 {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	ids, err := u.GroupIds()
	if err != nil {
		t.Fatal(err)
	}
	who := &syscall.Credential{Uid: number(u.Uid), Gid: number(u.Gid)}
	for _, g := range ids {
		who.Groups = append(who.Groups, number(g))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	cmd.Dir = u.HomeDir
	cmd.Env = []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"}
}

// hsmcm runs a console command that is asked for no keys.
func (p person) hsmcm(t testing.TB, words string) ended {
	t.Helper()
	return p.run(t, "hsmcm", strings.Fields(words)...)
}
