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

// patience is the watchdog's in these tests; the units have a longer one.
const patience = 2 * time.Second

// impatient gives daemons' units a short watchdog, until the test's end, and
// whatever else.
func impatient(t *testing.T, more string, daemons ...string) {
	t.Helper()
	t.Cleanup(func() { run(t, "systemctl", append([]string{"restart"}, daemons...)...) })
	for _, d := range daemons {
		if property(t, d, "WatchdogUSec") == "0" {
			t.Errorf("%s has no watchdog", d)
		}
		write(t, dropIn(t, d, "impatient"), fmt.Sprintf("[Service]\nWatchdogSec=%d\n%s", int(patience.Seconds()), more))
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

// pids are the processes of services.
func pids(t testing.TB, units ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, u := range units {
		all[u] = pid(t, u)
	}
	return all
}

// watchdogBit waits until the watchdog has replaced a service's process.
func watchdogBit(t testing.TB, unit, old string) {
	t.Helper()
	begun := time.Now()
	poll(t, "another "+unit, patience+usable, func() error { return another(t, unit, old) })
	t.Logf("%s: another process after %.1f s", unit, time.Since(begun).Seconds())
	if log := journal(t, unit); !strings.Contains(log, "Watchdog timeout") {
		t.Errorf("%s ended for another reason:\n%s", unit, log)
	}
}

// unbitten: the watchdog leaves those alone that are well.
func unbitten(t testing.TB, olds map[string]string) {
	t.Helper()
	time.Sleep(2 * patience)
	for unit, old := range olds {
		if pid(t, unit) != old {
			t.Errorf("%s was killed although it was well:\n%s", unit, journal(t, unit))
		}
	}
}

// theWatchdog: a daemon that says nothing any more is killed, and another one comes.
func theWatchdog(t *testing.T) {
	impatient(t, "", daemons...)
	loggedIn(t, 2*usable)
	olds := pids(t, daemons...)
	for _, old := range olds {
		must(t, "kill", "-STOP", old)
	}
	for unit, old := range olds {
		watchdogBit(t, unit, old)
	}
	loggedIn(t, 2*usable)
	unbitten(t, pids(t, daemons...))
}

// theHang: the process lives, and something in it does not end. The program is
// pedserver but for that.
func theHang(t *testing.T) {
	impatient(t, "ExecStart=\nExecStart=/mnt/hanging -mode start -foreground -instance pedserver\n", "pedserver")
	shows(t, "pedserver", usable)
	old := pid(t, "pedserver")
	const hang = "/run/openped/pedserver/hang"
	write(t, hang, "")
	watchdogBit(t, "pedserver", old)
	_ = os.Remove(hang)
	loggedIn(t, 2*usable)
}

// theMutePED: a PED that hangs is no fault of those who wait for it.
func theMutePED(t *testing.T) {
	impatient(t, "", "pedserver", "pedclient")
	loggedIn(t, 2*usable)
	ped := pid(t, "softped")
	must(t, "kill", "-STOP", ped)
	t.Cleanup(func() { run(t, "kill", "-CONT", ped) })
	unbitten(t, pids(t, "pedserver", "pedclient"))
	for _, d := range []string{"pedserver", "pedclient"} {
		shows(t, d, usable)
	}
	must(t, "kill", "-CONT", ped)
	loggedIn(t, 2*usable)
}
