package secrets

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"openped/rpv"
	"openped/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// The custodians of these tests have PINs of 16 digits.
var (
	orange = lab.Keyset{M: 2, Keys: []lab.Key{{Name: "orange1", PIN: "8642097531864209"}, {Name: "orange2", PIN: "1357924680135792"}}}
	blue   = lab.Keyset{M: 2, Keys: []lab.Key{{Name: "blue1", PIN: "3141592653589793"}, {Name: "blue2", PIN: "2718281828459045"}, {Name: "blue3", PIN: "1618033988749894"}}}
	red    = lab.Keyset{M: 1, Keys: []lab.Key{{Name: "red1", PIN: "1414213562373095"}}}
)

func everybody() lab.People {
	return lab.People{Orange: orange, NewOrange: orange, NewBlue: blue, NewRed: red, Login: blue}
}

// opened returns what is on PED keys, opened with their PINs: shares, the secrets
// they join to, RPK private keys, PINs.
func opened(t *testing.T, l *lab.Lab) []secret {
	t.Helper()
	var out []secret
	store := rpv.DirStore{Dir: l.Keys()}
	for _, set := range []struct {
		joined string
		keys   lab.Keyset
	}{{"the RPV", orange}, {"the SO's secret", blue}, {"the domain's secret", red}} {
		var shares []rpv.Share
		for _, k := range set.keys.Keys {
			key, err := store.Load(k.Name)
			if err != nil {
				t.Fatal(err)
			}
			s := key.Current
			if s == nil {
				s = key.Pending
			}
			v, err := s.Unmask([]byte(k.PIN))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, secret{"the PIN of " + k.Name, []byte(k.PIN)})
			if set.keys.M > 1 {
				out = append(out, secret{"the share on " + k.Name, v.Bytes()})
			}
			out = append(out, secret{"the masked share on " + k.Name, s.Masked[:]})
			if s.RPK != nil {
				out = append(out, secret{"the RPK of " + k.Name, s.RPK.Private.Bytes()[2:]})
			}
			shares = append(shares, rpv.Share{Index: s.Index, Value: v})
		}
		joined, err := rpv.Join(shares[:set.keys.M])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, secret{set.joined, joined.Bytes()})
	}
	return out
}

// snapshot is the memory of a process at a moment.
type snapshot struct {
	process, at string
	memory      memory
}

// TestPedserverKnowsNothing: a PED is paired, an HSM initialised, custodians log
// in, all as real processes; pedserver's memory is read again and again, and both
// its sides are recorded. None of the secrets is there. In softped and pedclient
// they are.
func TestPedserverKnowsNothing(t *testing.T) {
	l := lab.New(t, lab.Options{Relay: true, Trace: true})
	l.StartPED()
	usb := newCable(t, l)
	l.StartServer()
	l.StartClient()
	console := l.Console()

	var shots []snapshot
	shoot := func(process string, pid int, at string) {
		t.Helper()
		m, err := memoryOf(pid)
		if err != nil {
			t.Fatalf("memory of %s: %v", process, err)
		}
		shots = append(shots, snapshot{process, at, m})
	}
	all := mayReadAll(t)
	command := ""
	// At these screens what was typed or sent just before is in flight.
	moments := map[string]int{"otp.password": 1, "create.insert-another": 2, "create.pin-again": 1, "create.duplicate": 3, "login.insert-another": 9, "login.pin": 9, "notice.done": 9, "session.compute": 9}
	seen := map[string]int{}
	at := func(s lab.Screen) bool {
		if seen[s.ID]++; seen[s.ID] <= moments[s.ID] {
			where := fmt.Sprintf("%s, at %s", command, s.ID)
			shoot("pedserver", l.Server().PID(), where)
			if all {
				shoot("pedclient", l.Client().PID(), where)
				shoot("softped", l.PED().PID(), where)
			}
			for name, pid := range map[string]int{"pedserver": l.Server().PID(), "pedclient": l.Client().PID(), "softped": l.PED().PID(), "hsmcm": console.PID()} {
				line := memory{readAll(t, pid, "cmdline")}
				if all || name == "pedserver" { // the others show it to root alone
					line = append(line, readAll(t, pid, "environ"))
				}
				shots = append(shots, snapshot{"command line of " + name, where, line})
			}
		}
		return true
	}
	printed := ""
	perform := func(c string, who lab.People) string {
		t.Helper()
		command = c[:min(len(c), 12)]
		e, err := l.Perform(lab.Play{Command: c, People: who, At: at})
		if err != nil || !e.OK() {
			t.Fatalf("%s: %v\n%v", c, err, e)
		}
		printed += e.Output
		return e.Output
	}
	password := regexp.MustCompile(`[0-9]{8}`).FindString(lab.Password.FindString(perform(l.Connect("-password"), everybody())))
	if password == "" {
		t.Fatal("no one-time password was printed")
	}
	printed = "" // the one place where that one is told
	perform("ped vector init", everybody())
	perform("ped disconnect", lab.People{})
	perform(l.Connect(), lab.People{})
	perform("hsm init -label lab -force", everybody())
	perform("role login -name so", everybody())
	command = "afterwards"
	at(lab.Screen{ID: "notice.done"})
	dumpsAreOff(t, l)

	list := append(opened(t, l), secret{"the one-time password", []byte(password)})
	find := newFinder(list)
	names := func(contains string) (n []string) {
		for _, s := range list {
			if strings.Contains(s.name, contains) {
				n = append(n, s.name)
			}
		}
		return n
	}

	// Nothing in pedserver, nor on any command line; and that pedserver's memory
	// was read at all shows what it may know.
	wire := append(usb.recorded(), l.Relay.Recorded())
	control := newFinder(pieces(wire[0]))
	elsewhere := map[string]bool{}
	read := 0
	for _, s := range shots {
		found := find.in(s.memory...)
		switch s.process {
		case "softped", "pedclient":
			for _, f := range found {
				elsewhere[s.process+" "+f] = true
			}
			continue
		case "pedserver":
			read += len(control.in(s.memory...))
		}
		if len(found) > 0 {
			t.Errorf("%s, %s: %v", s.process, s.at, found)
		}
	}
	if read == 0 {
		t.Error("control: pedserver's memory does not even have a piece of what passed through it")
	}
	for i, name := range []string{"to the PED", "from the PED", "over TCP"} {
		if len(wire[i]) < 10_000 {
			t.Errorf("only %d bytes passed %s", len(wire[i]), name)
		}
		if found := find.in(wire[i]); len(found) > 0 {
			t.Errorf("passed %s: %v", name, found)
		}
	}
	if found := find.in([]byte(printed)); len(found) > 0 {
		t.Errorf("printed by hsmcm: %v", found)
	}
	if all {
		want := []string{"pedclient the RPV", "pedclient the SO's secret", "pedclient the domain's secret", "softped the RPV", "pedclient the one-time password"}
		for _, n := range names("the share on blue") {
			want = append(want, "pedclient "+n)
		}
		for _, n := range append(names("the PIN of"), names("the RPK of")...) {
			want = append(want, "softped "+n)
		}
		for _, w := range want {
			if !elsewhere[w] {
				t.Errorf("control: the search does not find it where it is: in %s", w)
			}
		}
	}
	kinds := files(t, l, find, func(path string) []string { return mayHold(l, path) })
	for _, want := range []string{".log", ".err", ".audit", ".pedkey", ".state", ".pem", ""} {
		if kinds[want] == 0 {
			t.Errorf("no *%s was looked through: %v", want, kinds)
		}
	}
	traced(t, l, "pedserver.log", "pedclient.log", "softped.log")
}

// pieces are stretches of what was recorded.
func pieces(wire []byte) (out []secret) {
	for i := 0; i+64 <= len(wire); i += 512 {
		out = append(out, secret{fmt.Sprintf("bytes from %d", i), wire[i : i+64]})
	}
	return out
}

// mayHold is where the specification has secrets: a PED key has its own RPK and
// masked share, the HSM's state the RPV.
func mayHold(l *lab.Lab, path string) []string {
	name, isKey := strings.CutSuffix(filepath.Base(path), ".pedkey")
	switch {
	case isKey && strings.HasPrefix(name, "orange"):
		return []string{"the masked share on " + name, "the RPK of " + name}
	case isKey:
		return []string{"the masked share on " + name}
	case path == l.HSMFile(1):
		return []string{"the RPV"}
	}
	return nil
}

// files looks for secrets in everything that was written, except where may says
// that they are to be; there they have to be. It returns how much was looked
// through, by the ends of the files' names.
func files(t *testing.T, l *lab.Lab, find *finder, may func(path string) []string) map[string]int {
	t.Helper()
	kinds := map[string]int{}
	err := filepath.WalkDir(l.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kinds[filepath.Ext(path)] += len(b)
		found, allowed := find.in(b), may(path)
		for _, f := range found {
			if !slices.Contains(allowed, f) {
				t.Errorf("%s has %s", path, f)
			}
		}
		for _, a := range allowed {
			if !slices.Contains(found, a) {
				t.Errorf("control: %s lacks %s", path, a)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// traced checks that the logs are those of trace level.
func traced(t *testing.T, l *lab.Lab, names ...string) {
	t.Helper()
	for _, name := range names {
		b, err := os.ReadFile(l.Path(name))
		if err != nil || !strings.Contains(string(b), "level=TRACE") {
			t.Errorf("%s has no trace of anything: %v", name, err)
		}
	}
}

func readAll(t *testing.T, pid int, what string) []byte {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, what))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dumpsAreOff: the programs that hold secrets, as they do now, leave no core dump,
// keep pages locked, and let nobody but root look into them; pedserver has
// nothing to hide.
func dumpsAreOff(t *testing.T, l *lab.Lab) {
	t.Helper()
	core := regexp.MustCompile(`Max core file size +(\S+) +(\S+)`)
	locked := regexp.MustCompile(`VmLck:\s+(\d+) kB`)
	for name, pid := range map[string]int{"softped": l.PED().PID(), "pedclient": l.Client().PID()} {
		if m := core.FindSubmatch(readAll(t, pid, "limits")); m == nil || string(m[1]) != "0" || string(m[2]) != "0" {
			t.Errorf("%s may dump core: %q", name, m)
		}
		if m := locked.FindSubmatch(readAll(t, pid, "status")); m == nil || string(m[1]) == "0" {
			t.Errorf("%s has no locked memory: %q", name, m)
		}
		if os.Geteuid() != 0 {
			if _, err := memoryOf(pid); err == nil {
				t.Errorf("%s's memory can be read by its own user", name)
			}
		}
	}
}
