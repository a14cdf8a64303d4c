package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"openped/test/lab"
)

// Exit codes of all programs.
const (
	usage      = 1
	failed     = 2
	notRunning = 3
)

// wrong is a command line, or what it meets, that cannot be.
type wrong struct {
	name    string
	program string
	args    string // {dir} is the lab's folder
	rundir  string // other than the lab's folder
	code    int
	says    string // parts separated by |: what is wrong and what to do
}

// TestWrongInput: each gets one line that says what is wrong and what to do, an
// exit code of its kind, and nothing that was there is changed.
func TestWrongInput(t *testing.T) {
	l := lab.New(t, lab.Options{From: prepared(t)})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	damage(t, l)
	before := tree(t, l)

	ped := "softped -face none -listen unix:{dir}/x.sock"
	for _, c := range []wrong{
		{"unknown flag", "pedserver", "-mode start -zzz 1", "", usage, "unknown flag -zzz|-help"},
		{"mistyped flag", "pedserver", "-mode start -prot 1503", "", usage, "unknown flag -prot|did you mean -port (1 to 65535)?"},
		{"no such mode", "pedserver", "-mode begin", "", usage, "begin|start, stop, show"},
		{"port out of range", "pedserver", "-mode start -port 65536", "", usage, "65536|1 to 65535"},
		{"port in use", "pedserver", "-mode start -ip 127.0.0.1 -peddevice unix:{dir}/ped.sock -port " + port, "", failed, "port " + port + " of 127.0.0.1 is in use|-port"},
		{"ids that are none", "pedserver", "-mode start -usbid 1209", "", usage, "1209:0001"},
		{"PED that is none", "pedserver", "-mode start -peddevice {dir}/ped.sock", "", usage, "is not a device|unix:PATH"},
		{"run folder is a file", "pedserver", "-mode start -peddevice unix:{dir}/ped.sock", "{dir}/hsm1", failed, "{dir}/hsm1|OPENPED_RUNDIR"},
		{"run folder cannot be made", "pedserver", "-mode start -peddevice unix:{dir}/ped.sock", "/proc/openped", failed, "/proc/openped|OPENPED_RUNDIR"},
		{"run folder open to all", "pedserver", "-mode start -peddevice unix:{dir}/ped.sock", "{dir}/open", failed, "{dir}/open|chmod"},
		{"run folder too deep", "pedserver", "-mode start -peddevice unix:{dir}/ped.sock", "{dir}/" + strings.Repeat("d", 100), failed, "bytes long|OPENPED_RUNDIR"},
		{"not running: stop", "pedserver", "-mode stop", "", notRunning, "not running|pedserver -mode start"},
		{"not running: show", "pedserver", "-mode show", "", notRunning, "not running|pedserver -mode start"},
		{"another run folder", "pedserver", "-mode show", "/nonexistent", notRunning, "not running|/nonexistent"},

		{"unknown flag", "pedclient", "-mode start -zzz", "", usage, "unknown flag -zzz|-help"},
		{"no HSM", "pedclient", "-mode start", "", usage, "-hsm <file>|createhsm"},
		{"no such HSM", "pedclient", "-mode start -hsm {dir}/none", "", failed, "{dir}/none|no such file|createhsm"},
		{"state of a newer version", "pedclient", "-mode start -hsm {dir}/newer", "", failed, "{dir}/newer|newer version|run the release"},
		{"state cut off", "pedclient", "-mode start -hsm {dir}/cut", "", failed, "{dir}/cut|damaged|backup"},
		{"state of something else", "pedclient", "-mode start -hsm {dir}/foreign", "", failed, "{dir}/foreign|not the state file|createhsm"},
		{"folder for a state", "pedclient", "-mode start -hsm {dir}/keys", "", failed, "{dir}/keys|directory|createhsm"},
		{"HSM that exists", "pedclient", "-mode createhsm -hsm {dir}/hsm1 -serial 7000009 -origin {dir}/origin", "", failed, "{dir}/hsm1|exists already|another file"},
		{"serial that is none", "pedclient", "-mode createhsm -hsm {dir}/new -serial a/b -origin {dir}/origin", "", usage, "serial|1 to 32"},
		{"origin that is a file", "pedclient", "-mode createhsm -hsm {dir}/new -serial 7000009 -origin {dir}/hsm1", "", failed, "origin|folder"},
		{"one HSM twice", "pedclient", "-mode start -hsm {dir}/hsm1 -hsm {dir}/hsm1", "", usage, "{dir}/hsm1|given twice"},
		{"not running: show", "pedclient", "-mode show", "", notRunning, "not running|pedclient -mode start"},
		{"run folder is a file", "pedclient", "-mode start -hsm {dir}/hsm1", "{dir}/hsm1", failed, "{dir}/hsm1|OPENPED_RUNDIR"},

		{"unknown flag", "softped", "-zzz", "", usage, "unknown flag -zzz|-help"},
		{"no such mode", "softped", "-mode usb", "", usage, "remote, local or pair"},
		{"socket without unix:", "softped", "-listen {dir}/x.sock", "", usage, "-listen|unix:"},
		{"no key folder", ped, "-keys {dir}/none", "", failed, "{dir}/none|no such file|create"},
		{"file for a key folder", ped, "-keys {dir}/hsm1", "", failed, "{dir}/hsm1|not a directory|folder"},
		{"PED state of a newer version", ped, "-keys {dir}/keys -state {dir}/newer.state", "", failed, "newer version|update softped"},
		{"PED state cut off", ped, "-keys {dir}/keys -state {dir}/cut.state", "", failed, "{dir}/cut.state|damaged|restore"},
		{"PED state of something else", ped, "-keys {dir}/keys -state {dir}/foreign", "", failed, "{dir}/foreign|not a state file|-state"},
		{"folder for a PED state", ped, "-keys {dir}/keys -state {dir}/keys", "", failed, "{dir}/keys|directory|name a file"},
		{"root that is none", ped, "-keys {dir}/keys -state {dir}/ped.state -root {dir}/hsm1", "", failed, "{dir}/hsm1|PEM"},
		{"no such root", ped, "-keys {dir}/keys -state {dir}/ped.state -root {dir}/none", "", failed, "{dir}/none|PEM"},
		{"socket in no folder", "softped", "-face none -keys {dir}/keys -state {dir}/ped.state -listen unix:{dir}/none/x.sock", "", failed, "{dir}/none/x.sock|-listen"},

		{"unknown command", "hsmcm", "bang", "", usage, "bang|help"},
		{"unknown flag", "hsmcm", "ped connect -zzz", "", usage, "unknown flag -zzz|-help"},
		{"password in the command line", "hsmcm", "ped connect -ip 127.0.0.1 -pwd 13572468", "", usage, "-pwd|other users|-pwd -"},
		{"port out of range", "hsmcm", "ped connect -ip 127.0.0.1 -port 0", "", usage, "-port|1 to 65535"},
		{"unknown role", "hsmcm", "role login -name king", "", usage, "king|so"},
		{"pedclient not running", "hsmcm", "slot list", "", notRunning, "pedclient is not running|pedclient -mode start"},
		{"another run folder", "hsmcm", "slot list", "/nonexistent", notRunning, "/nonexistent|pedclient is not running"},
	} {
		at := strings.NewReplacer("{dir}", l.Dir)
		words := strings.Fields(c.program)
		args := append(words[1:], strings.Fields(at.Replace(c.args))...)
		for i := range args {
			args[i] = at.Replace(args[i])
		}
		var env []string
		if c.rundir != "" {
			env = []string{"OPENPED_RUNDIR=" + at.Replace(c.rundir)}
		}
		stdout, stderr, code := program(l, env, nil, l.Dir, words[0], args...)
		name := words[0] + ": " + c.name
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, code, c.code, stdout, stderr)
		}
		oneLine(t, name, words[0], stderr)
		for _, part := range strings.Split(at.Replace(c.says), "|") {
			if !strings.Contains(stderr, part) {
				t.Errorf("%s: it is not said %q: %s", name, part, stderr)
			}
		}
		if strings.Contains(stdout+stderr, "13572468") {
			t.Errorf("%s: the password is repeated", name)
		}
	}
	same(t, before, tree(t, l))
}

// oneLine wants one line of a program's own.
func oneLine(t *testing.T, name, program, stderr string) {
	t.Helper()
	line, ok := strings.CutSuffix(stderr, "\n")
	if !ok || strings.Contains(line, "\n") || !strings.HasPrefix(line, program+": ") || strings.Contains(line, "goroutine") {
		t.Errorf("%s: not one line of %s's: %q", name, program, stderr)
	}
}

// damage puts broken copies of what programs read next to it.
func damage(t *testing.T, l *lab.Lab) {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(l.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	hsm, ped := read("hsm1"), read("ped.state")
	for name, content := range map[string][]byte{
		"newer":       bytes.Replace(hsm, []byte(`"version": 1`), []byte(`"version": 99`), 1),
		"cut":         hsm[:len(hsm)*2/3],
		"foreign":     []byte("dear diary\n"),
		"newer.state": bytes.Replace(ped, []byte(`"version": 1`), []byte(`"version": 99`), 1),
		"cut.state":   ped[:len(ped)-20],
	} {
		if err := os.WriteFile(l.Path(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(l.Path("open"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(l.Path("open"), 0o777); err != nil {
		t.Fatal(err)
	}
}

// tree is what is in the lab's folder: a digest of every file that holds
// something.
func tree(t *testing.T, l *lab.Lab) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(l.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// same wants everything that was there to be there, unchanged.
func same(t *testing.T, before, after map[string]string) {
	t.Helper()
	for path, sum := range before {
		if after[path] != sum {
			t.Errorf("%s was changed or removed", path)
		}
	}
}
