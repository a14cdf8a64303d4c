package guest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// theCrashes: a daemon that is killed is there again, and of use, within seconds.
func theCrashes(t *testing.T) {
	for _, d := range daemons {
		t.Run(d, func(t *testing.T) {
			old := pid(t, d)
			begun := time.Now()
			must(t, "kill", "-KILL", old)
			poll(t, "another "+d, usable, func() error { return another(t, d, old) })
			up := time.Since(begun)
			if d != "softped" {
				shows(t, d, usable, "")
			}
			shown := time.Since(begun)
			loggedIn(t, 3*usable)
			again := time.Since(begun)
			t.Logf("%s killed: another process after %.1f s, show after %.1f s, a whole login after %.1f s", d, up.Seconds(), shown.Seconds(), again.Seconds())
			if again > usable {
				t.Errorf("a login took %v", again)
			}
		})
	}
	noneFailed(t)
}

// another: the service has another process than old, and is ready.
func another(t testing.TB, unit, old string) error {
	if err := is("active", unit); err != nil {
		return err
	}
	if p := property(t, unit, "MainPID"); p == old || p == "0" {
		return fmt.Errorf("%s still has process %s", unit, p)
	}
	return nil
}

// patience is the watchdog's in this test; the units have a longer one.
const patience = 2 * time.Second

// impatient gives the daemons' units a short watchdog, until the test's end.
func impatient(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { run(t, "systemctl", append([]string{"restart"}, daemons...)...) })
	for _, d := range daemons {
		if property(t, d, "WatchdogUSec") == "0" {
			t.Errorf("%s has no watchdog", d)
		}
		write(t, dropIn(t, d, "impatient"), fmt.Sprintf("[Service]\nWatchdogSec=%d\n", int(patience.Seconds())))
	}
	must(t, "systemctl", "daemon-reload")
	must(t, "systemctl", append([]string{"restart"}, daemons...)...)
}

// dropIn is a file for additions to a unit, which goes with the test.
func dropIn(t *testing.T, unit, name string) string {
	t.Helper()
	dir := "/run/systemd/system/" + unit + ".service.d"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.RemoveAll(dir)
		run(t, "systemctl", "daemon-reload")
	})
	return dir + "/" + name + ".conf"
}

// theWatchdog: a daemon that says nothing any more is killed, and another one comes.
func theWatchdog(t *testing.T) {
	impatient(t)
	loggedIn(t, 2*usable)
	olds := map[string]string{}
	begun := time.Now()
	for _, d := range daemons {
		olds[d] = pid(t, d)
		must(t, "kill", "-STOP", olds[d])
	}
	for _, d := range daemons {
		poll(t, "another "+d, patience+usable, func() error { return another(t, d, olds[d]) })
		t.Logf("%s stood still: another process after %.1f s", d, time.Since(begun).Seconds())
		if log := journal(t, d); !strings.Contains(log, "Watchdog timeout") {
			t.Errorf("%s ended for another reason:\n%s", d, log)
		}
	}
	loggedIn(t, 2*usable)
	// Those that are well are left alone.
	for _, d := range daemons {
		olds[d] = pid(t, d)
	}
	time.Sleep(2 * patience)
	for _, d := range daemons {
		if pid(t, d) != olds[d] {
			t.Errorf("%s was killed although it was well:\n%s", d, journal(t, d))
		}
	}
}
