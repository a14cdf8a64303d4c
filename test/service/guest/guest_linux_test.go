package guest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if !inside() {
		fmt.Println("these tests run in a machine of their own: make test-service")
		return
	}
	os.Exit(m.Run())
}

// inside: process 1 is the systemd that was told where it runs.
func inside() bool {
	b, err := os.ReadFile("/run/systemd/container")
	return err == nil && strings.TrimSpace(string(b)) == "openped-test"
}

// story is a part of a day. What comes after it is not told when it fails and is
// one that the others build on.
type story struct {
	name  string
	tell  func(*testing.T)
	basis bool
}

func tell(t *testing.T, day []story) {
	for _, s := range day {
		if !t.Run(s.name, s.tell) && s.basis {
			t.Fatalf("%s has failed: the rest of the day builds on it", s.name)
		}
	}
}

func TestDay1(t *testing.T) {
	tell(t, []story{
		{"machine", theMachine, true},
		{"install", theInstallation, true},
		{"installed", theInstalled, false},
		{"exposure", theExposure, false},
		{"setup", theSetup, true},
		{"ceremony", theCeremony, true},
		{"peers", thePeers, false},
		{"walls", theWalls, false},
		{"crashes", theCrashes, false},
		{"watchdog", theWatchdog, false},
		{"hang", theHang, false},
		{"mute-ped", theMutePED, false},
		{"configuration", theConfiguration, false},
		{"logs", theLogs, false},
		{"groups", theGroups, false},
		{"stops", theStops, false},
		{"causes", theCauses, false},
		{"twins", theTwins, false},
	})
}

// The machine has been rebooted.
func TestDay2(t *testing.T) {
	tell(t, []story{
		{"boot", bootAgain, true},
		{"services", servicesAgain, true},
		{"further", theFurther, true},
		{"upgrade", theUpgrade, false},
		{"choices", theChoices, false},
		{"removal", theRemoval, true},
		{"return", theReturn, false},
		{"purge", thePurge, false},
	})
}
