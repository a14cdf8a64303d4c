package guest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// journal is what a unit, and systemd about it, has said since the boot.
func journal(t testing.TB, unit string) string {
	t.Helper()
	return must(t, "journalctl", "-q", "--no-pager", "-b", "-o", "cat", "-u", unit)
}

// walls are words that a service says when it runs into one that its unit has built
// and that it did not know of.
var walls = []string{"SIGSYS", "bad system call", "seccomp", "operation not permitted", "permission denied", "read-only file system", "cannot allocate memory", "panic", "fatal error"}

// theWalls: the units take rights from the daemons, and nothing that they need: no
// word of it in the journals, so far.
func theWalls(t *testing.T) {
	for _, d := range daemons {
		for line := range strings.Lines(journal(t, d)) {
			for _, w := range walls {
				if strings.Contains(strings.ToLower(line), strings.ToLower(w)) {
					t.Errorf("%s ran into something: %s", d, line)
				}
			}
		}
		p := pid(t, d)
		if line := lineOf(read(t, "/proc/"+p+"/limits"), "Max core file size"); strings.Join(strings.Fields(line)[4:6], " ") != "0 0" {
			t.Errorf("%s may leave a core: %s", d, line)
		}
		status := read(t, "/proc/"+p+"/status")
		for _, want := range []string{"NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "Seccomp:\t2"} {
			if !strings.Contains(status, want+"\n") {
				t.Errorf("%s has %s, not %s", d, lineOf(status, strings.Split(want, "\t")[0]), want)
			}
		}
		if env := read(t, "/proc/"+p+"/environ"); strings.Contains(env, "PIN") {
			t.Errorf("%s has in its environment:\n%s", d, env)
		}
	}
	// Secrets are kept out of the swap: the HSM's are in locked memory.
	if line := lineOf(read(t, "/proc/"+pid(t, "pedclient")+"/status"), "VmLck"); strings.Contains(line, "\t       0 kB") {
		t.Errorf("pedclient has no locked memory: %s", line)
	}
}

// lineOf is the line that begins with a word.
func lineOf(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, word) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// theLogs: a log file in the service's own folder can be had, elsewhere not, and the
// journal has it in any case.
func theLogs(t *testing.T) {
	for d, conf := range map[string]string{"pedserver": serverConf, "pedclient": clientConf} {
		mend := rewrite(conf, func(s string) string { return s })(t)
		file := "/var/log/openped/" + d + "/mine.log"
		must(t, d, "-mode", "config", "-set", "LogFileName", file)
		must(t, "systemctl", "restart", d)
		poll(t, "a log file", usable, func() error {
			b, err := os.ReadFile(file)
			if err == nil && !strings.Contains(string(b), "started") {
				err = fmt.Errorf("%s has:\n%s", file, b)
			}
			return err
		})
		if is := modeOf(file); !strings.HasSuffix(is, d+" "+d) || strings.HasPrefix(is, "0644") {
			t.Errorf("%s is %s", file, is)
		}
		must(t, d, "-mode", "config", "-set", "LogFileName", "/var/log/elsewhere.log")
		must(t, "systemctl", "restart", d)
		if _, err := os.Stat("/var/log/elsewhere.log"); err == nil {
			t.Errorf("%s writes wherever it likes", d)
		}
		if err := is("active", d); err != nil {
			t.Error(err)
		}
		says(t, journal(t, d), "/var/log/elsewhere.log")
		mend()
		must(t, "systemctl", "restart", d)
	}
}
