package guest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	serverConf = "/etc/pedServer.conf"
	clientConf = "/etc/pedClient.conf"
)

// theConfiguration: changes reach the running daemons by each way that there is, and
// the journal has them; a mistake changes nothing.
func theConfiguration(t *testing.T) {
	for _, c := range []struct{ daemon, file string }{{"pedserver", serverConf}, {"pedclient", clientConf}} {
		before := pid(t, c.daemon)
		taken := 0
		has := func(how, value string) {
			t.Helper()
			if out := must(t, c.daemon, "-mode", "config", "-show"); !hasSetting(out, "IdleTimeout", value) {
				t.Errorf("%s: the file does not have it:\n%s", how, out)
			}
			taken++
			poll(t, how+": a word in the journal", 5*time.Second, func() error {
				if n := strings.Count(journal(t, c.daemon), "applied=[IdleTimeout]"); n != taken {
					return fmt.Errorf("%s has taken changes %d times, not %d", c.daemon, n, taken)
				}
				return nil
			})
		}
		out := must(t, c.daemon, "-mode", "config", "-set", "-idletimeout", "1111")
		says(t, out, "Taken now:", "IdleTimeout")
		has("-set", "1111")

		text := read(t, c.file)
		edit := func(to string) { write(t, c.file, strings.Replace(text, "1111", to, 1)) }
		edit("2222")
		must(t, "systemctl", "reload", c.daemon)
		has("systemctl reload", "2222")

		edit("3333")
		says(t, must(t, c.daemon, "-mode", "reload"), "IdleTimeout")
		has("-mode reload", "3333")

		edit("never")
		if e := run(t, "systemctl", "reload", c.daemon); e.code == 0 {
			t.Errorf("a mistake in the file is well: %s", e)
		}
		if e := run(t, c.daemon, "-mode", "reload"); e.code != 2 {
			t.Errorf("no exit code 2: %s", e)
		} else {
			says(t, e.err, "RC_BAD_CONFIG", c.file)
		}
		edit("1800")
		must(t, "systemctl", "reload", c.daemon)
		if pid(t, c.daemon) != before {
			t.Errorf("%s is another process", c.daemon)
		}
	}
	loggedIn(t, 2*usable)
}

// hasSetting: a line of "config -show" has a key and its value.
func hasSetting(text, key, value string) bool {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key && strings.HasPrefix(f[1], value) {
			return true
		}
	}
	return false
}
