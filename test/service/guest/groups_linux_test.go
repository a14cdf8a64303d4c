package guest

import (
	"testing"
	"time"
)

// theGroups: who may ask the daemons, who may stop them, who may use HSMs.
func theGroups(t *testing.T) {
	alice := newPerson(t, "alice")
	for _, d := range []string{"pedserver", "pedclient"} {
		refused := alice.run(t, d, "-mode", "show")
		if refused.code != 2 {
			t.Errorf("no exit code 2: %s", refused)
		}
		says(t, refused.err, "RC_ACCESS_DENIED", "not permitted", "join group "+d)
		alice.joins(t, d)
		for _, words := range [][]string{{"-mode", "show"}, {"-mode", "show", "-format", "json"}, {"-mode", "config", "-show"}} {
			if e := alice.run(t, d, words...); e.code != 0 {
				t.Error("a member of the group is refused: ", e)
			}
		}
		if d == "pedserver" {
			for _, word := range []string{"release", "claim"} {
				if e := alice.run(t, d, "-mode", word); e.code != 0 {
					t.Error("a member of the group is refused: ", e)
				}
			}
		}
		before := pid(t, d)
		for _, words := range [][]string{{"-mode", "stop"}, {"-mode", "stop", "-force"}, {"-mode", "reload"}, {"-mode", "config", "-set", "-idletimeout", "77"}} {
			e := alice.run(t, d, words...)
			if e.code != 2 {
				t.Errorf("no exit code 2: %s", e)
			}
			says(t, e.err, "RC_ACCESS_DENIED")
			if words[1] == "stop" {
				says(t, e.err, "not permitted", "administrator")
			}
		}
		if pid(t, d) != before {
			t.Errorf("%s is another process", d)
		}
		if e := alice.run(t, d, "-service", "stop"); e.code != 2 {
			t.Errorf("no exit code 2: %s", e)
		}
	}
	if e := alice.hsmcm(t, "slot list"); e.code == 0 {
		t.Errorf("whoever may ask pedclient may use its HSMs: %s", e)
	}
	if e := alice.run(t, "test", "-w", pedSocket); e.code == 0 {
		t.Error("whoever may ask the daemons may plug in the PED")
	}
	alice.joins(t, "openped")
	if e := alice.run(t, "test", "-w", pedSocket); e.code != 0 {
		t.Error("a member of openped may not plug in the PED")
	}
	if e := alice.run(t, "test", "-w", pedControl); e.code == 0 {
		t.Error("who may plug in the PED may press its keys")
	}
	bob := newPerson(t, "bob")
	must(t, "groupadd", "hsmusers")
	t.Cleanup(func() { run(t, "groupdel", "hsmusers") })
	// A service may give its socket to groups of its own only.
	write(t, dropIn(t, "pedclient", "hsmusers"), "[Service]\nSupplementaryGroups=hsmusers\n")
	must(t, "systemctl", "daemon-reload")
	must(t, "pedclient", "-mode", "config", "-set", "-hsmgroup", "hsmusers")
	must(t, "systemctl", "restart", "pedclient")
	t.Cleanup(func() {
		run(t, "pedclient", "-mode", "config", "-set", "HSMGroup", "")
		run(t, "systemctl", "restart", "pedclient")
	})
	if e := bob.hsmcm(t, "slot list"); e.code == 0 {
		t.Errorf("who is in no group may use the HSMs: %s", e)
	}
	bob.joins(t, "hsmusers")
	if e := bob.hsmcm(t, "slot list"); e.code != 0 {
		t.Errorf("a member of HSMGroup may not use the HSMs: %s", e)
	}
	if e := bob.run(t, "pedclient", "-mode", "show"); e.code != 2 {
		t.Errorf("a member of HSMGroup is no member of the administrators': %s", e)
	}
	loggedIn(t, 10*time.Second)
}
