package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"openped/rpv"
	"openped/test/lab"
)

// A second instance of a daemon, or of a PED on the same state, is told who has
// it, and the first goes on as if nothing had been.
func TestSecondInstance(t *testing.T) {
	l := ready(t, lab.Options{})
	away := l.Path("away")
	if err := os.Mkdir(away, 0o700); err != nil {
		t.Fatal(err)
	}
	pid := func(p *lab.Process) string { return fmt.Sprint("process ", p.PID()) }
	for _, c := range []wrong{
		{"the same again", "pedserver", fmt.Sprintf("-mode start -ip 127.0.0.1 -port %d -peddevice unix:{dir}/ped.sock", l.Port), "", failed, "already running|" + pid(l.Server()) + "|pedserver -mode stop"},
		{"the same port", "pedserver", fmt.Sprintf("-mode start -ip 127.0.0.1 -port %d -peddevice unix:{dir}/ped.sock", l.Port), "{dir}/away", failed, fmt.Sprintf("port %d of 127.0.0.1 is in use|%s|-port", l.Port, pid(l.Server()))},
		{"the same again", "pedclient", "-mode start -hsm {dir}/hsm1", "", failed, "already running|" + pid(l.Client()) + "|pedclient -mode stop"},
		{"the same HSM", "pedclient", "-mode start -hsm {dir}/hsm1", "{dir}/away", failed, "{dir}/hsm1|in use|" + pid(l.Client()) + "|stop"},
		{"the same state", "softped", "-face none -keys {dir}/keys -state {dir}/ped.state -listen unix:{dir}/away/x.sock", "", failed, "{dir}/ped.state|in use|" + pid(l.PED().Process) + "|-state"},
		{"the same socket", "softped", "-face none -keys {dir}/keys -state {dir}/away/state -listen unix:{dir}/ped.sock", "", failed, "{dir}/ped.sock|in use|-listen"},
	} {
		at := strings.NewReplacer("{dir}", l.Dir)
		var env []string
		if c.rundir != "" {
			env = []string{"OPENPED_RUNDIR=" + at.Replace(c.rundir)}
		}
		stdout, stderr, code := program(l, env, nil, l.Dir, c.program, strings.Fields(at.Replace(c.args))...)
		if code != c.code {
			t.Errorf("%s, %s: exit code %d\n%s%s", c.program, c.name, code, stdout, stderr)
		}
		oneLine(t, c.program+", "+c.name, c.program, stderr)
		for _, part := range strings.Split(at.Replace(c.says), "|") {
			if !strings.Contains(stderr, part) {
				t.Errorf("%s, %s: it is not said %q: %s", c.program, c.name, part, stderr)
			}
		}
	}
	l.Must(login, lab.Everybody())
}

// public makes a folder with all programs in it that every user can use.
func public(t *testing.T, l *lab.Lab) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "openped-all-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range lab.Programs {
		b, err := os.ReadFile(filepath.Join(l.Bin, p))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, p), b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// elsewhere is the lab with its programs in another folder.
func elsewhere(l *lab.Lab, bin string) *lab.Lab {
	return &lab.Lab{Stage: &lab.Stage{Bin: bin, Dir: l.Dir}, T: l.T, Port: l.Port}
}

// F-20: started by an ordinary user in a folder that he cannot write to, the
// relay fails with RC_OPERATION_TIMED_OUT, and prints that it was started. Here a
// log that cannot be written is a warning, the relay runs, and what is printed is
// true.
func TestF20_LogThatCannotBeWritten(t *testing.T) {
	user := lab.NewUser(t)
	l := lab.New(t, lab.Options{From: prepared(t)})
	dir := public(t, l)
	at := elsewhere(l, dir)
	run, sealed := filepath.Join(dir, "run"), filepath.Join(dir, "sealed")
	for _, d := range []string{run, sealed} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	user.Give(t, run)
	if err := os.Chmod(sealed, 0o555); err != nil {
		t.Fatal(err)
	}
	env := []string{"OPENPED_RUNDIR=" + run}
	for name, logFlags := range map[string][]string{"usual log": nil, "log named": {"-logfile", filepath.Join(sealed, "x.log")}} {
		args := append([]string{"-mode", "start", "-ip", "127.0.0.1", "-port", fmt.Sprint(l.Port), "-peddevice", "unix:" + filepath.Join(run, "ped.sock")}, logFlags...)
		stdout, stderr, code := program(at, env, user.Put, sealed, "pedserver", args...)
		if code != 0 || !strings.Contains(stdout, "Background process started") {
			t.Fatalf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
		}
		if logFlags != nil {
			oneLine(t, name, "pedserver", stderr)
			says(t, stderr, "x.log", "permission denied")
		} else if stderr != "" {
			t.Errorf("%s: %s", name, stderr)
		}
		for _, mode := range []string{"show", "stop"} {
			stdout, stderr, code := program(at, env, user.Put, sealed, "pedserver", "-mode", mode)
			if code != 0 || !strings.Contains(stdout, "command passed.") {
				t.Errorf("%s: %s: exit code %d\n%s%s", name, mode, code, stdout, stderr)
			}
		}
	}
}

// What an ordinary user may not read he is told, with the path and what to do.
func TestUnreadable(t *testing.T) {
	user := lab.NewUser(t)
	l := lab.New(t, lab.Options{From: prepared(t)})
	dir := public(t, l)
	run, keys, hsm := filepath.Join(dir, "run"), filepath.Join(dir, "keys"), filepath.Join(dir, "hsm1")
	state, err := os.ReadFile(l.HSMFile(1))
	if err == nil {
		err = os.WriteFile(hsm, state, 0o600)
	}
	for _, d := range []string{run, keys} {
		if err == nil {
			err = os.Mkdir(d, 0o755)
		}
	}
	if err == nil {
		err = os.Chmod(keys, 0)
	}
	if err == nil && os.Geteuid() != 0 {
		err = os.Chmod(hsm, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	user.Give(t, run)
	for _, c := range []struct{ program, args, says string }{
		{"softped", "-face none -keys " + keys + " -state " + run + "/state -listen unix:" + run + "/p.sock", keys + "|permission denied|give this user"},
		{"pedclient", "-mode start -hsm " + hsm, hsm + "|permission denied|give this user"},
	} {
		_, stderr, code := program(elsewhere(l, dir), []string{"OPENPED_RUNDIR=" + run}, user.Put, run, c.program, strings.Fields(c.args)...)
		if code != failed {
			t.Errorf("%s: exit code %d", c.program, code)
		}
		oneLine(t, c.program, c.program, stderr)
		says(t, stderr, strings.Split(c.says, "|")...)
	}
}

// A PED key that is broken, or a file that is none, gets a notice with what to
// do when somebody inserts it; the dialogue goes on with another key, and the
// file stays as it is.
func TestBrokenPEDKeyInADialogue(t *testing.T) {
	l := lab.New(t, lab.Options{From: prepared(t)})
	good, err := os.ReadFile(filepath.Join(l.Keys(), "blue3.pedkey"))
	if err != nil {
		t.Fatal(err)
	}
	newer := append([]byte(nil), good...)
	newer[9] = 99 // the version
	broken := map[string][]byte{"cut": good[:len(good)/2], "foreign": []byte("not a key at all"), "empty": {}, "newer": newer}
	for name, content := range broken {
		if err := os.WriteFile(filepath.Join(l.Keys(), name+".pedkey"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (rpv.DirStore{Dir: l.Keys()}).Load(name); err == nil {
			t.Fatalf("control: %s is no broken key", name)
		}
	}
	l.StartPED()
	l.StartServer()
	l.StartClient()
	l.Must(l.Connect(), lab.People{})
	left, faults := []string{"cut", "foreign", "empty", "newer"}, 0
	hand := func(key string) bool { // puts it in; the people look on
		if err := l.PED().Insert(key); err != nil {
			t.Error(err)
		}
		if err := l.PED().Press("E"); err != nil {
			t.Error(err)
		}
		return false
	}
	e, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), At: func(s lab.Screen) bool {
		switch s.ID {
		case "notice.key-fault":
			faults++
			says(t, s.Text(), "unreadable", "another")
			fallthrough
		case "login.insert":
			if len(left) == 0 {
				return hand("blue1")
			}
			next := left[0]
			left = left[1:]
			return hand(next)
		case "login.insert-another":
			return hand("blue2")
		case "login.pin":
			pin := lab.PIN("blue1")
			if faults < 0 {
				pin = lab.PIN("blue2")
			}
			if faults != len(broken) && faults >= 0 {
				t.Errorf("%d of %d broken keys got a notice", faults, len(broken))
			}
			faults = -1
			if err := l.PED().Press(pin + "E"); err != nil {
				t.Error(err)
			}
			return false
		}
		return true
	}})
	if err != nil || !e.OK() {
		t.Errorf("%v\n%v", err, e)
	}
	for name, content := range broken {
		if b, err := os.ReadFile(filepath.Join(l.Keys(), name+".pedkey")); err != nil || string(b) != string(content) {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
}
