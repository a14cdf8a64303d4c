//go:build unix

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"openped/internal/cmdline"
	"openped/internal/rundir"
)

// The users of these tests. Nobody has such numbers.
const (
	service = 47110 // and its group
	member  = 47111
	other   = 47112
	hsms    = 47113 // a group
)

// call asks for all that a daemon has, and says what came of it.
func call(dir string) int {
	answers := map[string]string{}
	c, err := NewClient(rundir.Dirs{Run: dir}, "x", 5*time.Second)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	say := func(what string, err error) {
		answers[what] = "ok"
		if err != nil {
			answers[what] = fmt.Sprint(cmdline.Report(&strings.Builder{}, "x", err), " ", err)
		}
	}
	say("long", c.Get(context.Background(), "/v1/long", nil))
	say("show", c.Get(context.Background(), "/v1/show", nil))
	say("change", c.Post(context.Background(), "/v1/say", nil, nil))
	say("stop", Stop(context.Background(), rundir.Dirs{Run: dir}, "x", time.Second, true))
	_ = json.NewEncoder(os.Stdout).Encode(answers)
	return 0
}

// crew is a computer with a service and several users.
type crew struct {
	t       *testing.T
	program string
	top     string
}

func newCrew(t *testing.T) *crew {
	if os.Geteuid() != 0 {
		t.Skip("only root can be several users")
	}
	top, err := os.MkdirTemp("/run", "openped-test-") // where only root can make folders
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	c := &crew{t: t, program: filepath.Join(top, "admin.test"), top: top}
	if out, err := exec.Command("cp", os.Args[0], c.program).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	if err := errors.Join(os.Chmod(top, 0o755), os.Chmod(c.program, 0o755)); err != nil {
		t.Fatal(err)
	}
	return c
}

// folder makes a run folder as a service manager does.
func (c *crew) folder(name string, uid int, mode os.FileMode) string {
	c.t.Helper()
	dir := filepath.Join(c.top, name)
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, uid, uid), os.Chmod(dir, mode)); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

func (c *crew) command(uid, gid int, groups []uint32, env ...string) *exec.Cmd {
	cmd := exec.Command(c.program)
	cmd.Env, cmd.Dir = append(os.Environ(), env...), c.top
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: groups}}
	return cmd
}

// serve starts the daemon of a service.
func (c *crew) serve(dir string, uid, gid int, groups []uint32, how string) {
	c.t.Helper()
	cmd := c.command(uid, gid, groups, "ADMIN_TEST_DAEMON="+dir, "ADMIN_TEST_HOW="+how)
	begin(c.t, cmd)
}

func (c *crew) answers(dir string, uid, gid int, groups ...uint32) map[string]string {
	c.t.Helper()
	out, err := c.command(uid, gid, groups, "ADMIN_TEST_CALL="+dir).Output()
	answers := map[string]string{}
	if err == nil {
		err = json.Unmarshal(out, &answers)
	}
	if err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	return answers
}

// TestMembersChangeNothing: a member of the group sees the status, and neither
// changes nor ends anything, whatever he asks for; strangers are told how to get
// in; and nobody gets past that by the signal of a stop.
//
// Without the check of Handler.Group (serve) the member stops the daemon.
func TestMembersChangeNothing(t *testing.T) {
	c := newCrew(t)
	dir := c.folder("x", service, 0o750)
	c.serve(dir, service, service, nil, "group "+fmt.Sprint(service))
	denied := "2 0xc0001003 RC_ACCESS_DENIED: not permitted: "
	only := denied + "only root and the user of the service may; ask root"
	join := denied + filepath.Join(dir, "x.sock") + fmt.Sprintf("; join group %d, or ask root", service)
	for _, u := range []struct {
		about        string
		answers      map[string]string
		show, change string
	}{
		{"a member", c.answers(dir, member, member, service), "ok", only},
		{"one whose main group it is", c.answers(dir, member, service), "ok", only},
		{"a stranger", c.answers(dir, other, other), join, join},
		{"one of another group", c.answers(dir, other, other, hsms), join, join},
	} {
		if u.answers["show"] != u.show || u.answers["change"] != u.change || u.answers["stop"] != u.change {
			t.Errorf("%s:\n%q", u.about, u.answers)
		}
	}
	if got := c.answers(dir, service, service); got["show"] != "ok" || got["change"] != "ok" || got["stop"] != "ok" {
		t.Errorf("the service's user: %q", got)
	}
	empty(t, "stopped", rundir.Dirs{Run: dir})
	c.serve(dir, service, service, nil, "")
	if got := c.answers(dir, member, member, service)["show"]; got != denied+filepath.Join(dir, "x.sock")+"; ask root" {
		t.Errorf("a member, of nothing: %s", got)
	}
	if got := c.answers(dir, 0, 0); got["show"] != "ok" || got["change"] != "ok" || got["stop"] != "ok" {
		t.Errorf("root: %q", got)
	}
}

// TestTwoGroups: the run folder lets the groups of both sockets through, and no
// socket the other's.
func TestTwoGroups(t *testing.T) {
	c := newCrew(t)
	dir := c.folder("x", service, 0o700)
	c.serve(dir, service, service, []uint32{hsms}, fmt.Sprintf("group %d other %d", service, hsms))
	if got := c.answers(dir, member, member, service)["show"]; got != "ok" {
		t.Errorf("a member: %s", got)
	}
	if got := c.answers(dir, member, member, hsms)["show"]; !strings.Contains(got, fmt.Sprintf("join group %d", service)) {
		t.Errorf("a member of the other group: %s", got)
	}
	fi, err := os.Stat(dir)
	if err != nil || fi.Mode().Perm()&0o022 != 0 {
		t.Errorf("others can write to the run folder: %v %v", fi.Mode(), err)
	}
	dial := func(groups ...uint32) string {
		out, _ := c.command(member, member, groups, "ADMIN_TEST_DIAL="+filepath.Join(dir, "other.sock")).Output()
		return string(out)
	}
	if in, out := dial(hsms), dial(service); in != "in" || out != "out" {
		t.Errorf("the other socket: its group is %q, the first group is %q", in, out)
	}
}

// TestPlantedDaemon: a daemon that somebody could have put there is told nothing:
// no member of a group, and not root's user, is led to it.
//
// Without the trust that NewClient asks for, the call succeeds.
func TestPlantedDaemon(t *testing.T) {
	c := newCrew(t)
	dir := c.folder("own", other, 0o755)
	c.serve(dir, other, other, nil, "")
	for _, who := range []int{0, other} {
		if got := c.answers(dir, who, who)["show"]; got != "ok" {
			t.Errorf("user %d calls user %d: %s", who, other, got)
		}
		c.serve(dir, other, other, nil, "") // the last call was a stop
	}
	// A folder in a place where everybody can make one.
	loose := c.folder("loose", 0, 0o777|os.ModeSticky)
	planted := filepath.Join(loose, "x")
	if err := errors.Join(os.Mkdir(planted, 0o755), os.Chown(planted, other, other)); err != nil {
		t.Fatal(err)
	}
	c.serve(planted, other, other, []uint32{service}, "group "+fmt.Sprint(service))
	if got := c.answers(planted, member, member, service)["show"]; !strings.Contains(got, rundir.ErrUnsafe.Error()) {
		t.Errorf("planted: %s", got)
	}
}

// TestLedElsewhere plays the user of a service who puts a link, to the socket of a
// daemon of root's or of another user's, where its own socket should be: neither root nor a
// member of its group calls that.
//
// It fails without both: CheckSocket (NewClient), and the rule that nobody but its
// owner serves in a folder (checkServer), which is enough when the link comes later.
func TestLedElsewhere(t *testing.T) {
	c := newCrew(t)
	dir := c.folder("own", service, 0o750)
	for _, who := range []int{0, other} {
		theirs := c.folder(fmt.Sprintf("of-%d", who), who, 0o755)
		c.serve(theirs, who, who, []uint32{service}, "group "+fmt.Sprint(service))
		link := filepath.Join(dir, "x.sock")
		if err := os.Symlink(filepath.Join(theirs, "x.sock"), link); err != nil {
			t.Fatal(err)
		}
		for about, got := range map[string]map[string]string{"root": c.answers(dir, 0, 0), "a member": c.answers(dir, member, member, service)} {
			for what, answer := range got {
				if !strings.Contains(answer, rundir.ErrUnsafe.Error()) {
					t.Errorf("%s is led to a daemon of %d's, %s: %s", about, who, what, answer)
				}
			}
		}
		if got := c.answers(theirs, 0, 0)["show"]; got != "ok" {
			t.Errorf("%d's daemon: %s", who, got)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMembersLeavePlaces: members who hold all the places and long calls that they
// can get are not in the owner's way.
//
// With one set of places for all (door.local), or without few (serve), the owner is
// turned away.
func TestMembersLeavePlaces(t *testing.T) {
	c := newCrew(t)
	dir := c.folder("x", service, 0o750)
	c.serve(dir, service, service, nil, "group "+fmt.Sprint(service))
	begin(t, c.command(member, member, []uint32{service}, "ADMIN_TEST_HOLD="+dir))
	if got := c.answers(dir, service, service); got["show"] != "ok" || got["long"] != "ok" || got["stop"] != "ok" {
		t.Errorf("%q", got)
	}
}

// hold makes as many calls as there are places, which all take their time.
func hold(dir string) int {
	for i := range memberPlaces + maxLong {
		path := "/v1/slow"
		if i%3 == 0 {
			path = "/v1/long"
		}
		conn, err := net.Dial("unix", filepath.Join(dir, "x.sock"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		_, _ = fmt.Fprintf(conn, "GET %s?wait HTTP/1.1\r\nHost: x\r\n\r\n", path)
		defer conn.Close()
	}
	time.Sleep(200 * time.Millisecond) // until they are under way
	fmt.Println("ready")
	time.Sleep(time.Minute)
	return 0
}
