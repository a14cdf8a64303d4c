package guest

import (
	"os"
	"testing"
	"time"

	"openped/test/lab"
)

// softpedFlags are those of a PED for people in a hurry: weak keys, and blank ones
// at hand.
const softpedFlags = "-keycost light -newkeys orange1,blue1,blue2,blue3,red1 -root /etc/openped-origin.pem -control unix:" + pedControl

// theSetup is what docs/guide-install.md tells an administrator to do.
func theSetup(t *testing.T) {
	must(t, "pedclient", "-mode", "createhsm", "-hsm", hsmFile, "-serial", lab.Serial(1), "-origin", originDir)
	if is := modeOf(hsmFile); is != "0600 pedclient pedclient" {
		t.Errorf("the HSM is %s: the service cannot, or others can, read it", is)
	}
	must(t, "pedclient", "-mode", "config", "-set", "-hsm", hsmFile)
	must(t, "systemctl", "enable", "--now", "pedclient")
	shows(t, "pedclient", usable, lab.Serial(1))

	must(t, "install", "-m", "0644", originDir+"/origin.pem", "/etc/openped-origin.pem")
	write(t, "/etc/default/softped", "SOFTPED_FLAGS=\""+softpedFlags+"\"\n")
	must(t, "systemctl", "enable", "--now", "softped")
	if is := modeOf(pedSocket); is != "0660 softped openped" {
		t.Errorf("the PED's socket is %s", is)
	}

	says(t, must(t, "pedserver", "-mode", "config", "-set", "PedDevice", deviceLabel), "After a restart:", "PedDevice")
	must(t, "systemctl", "restart", "pedserver")
	noneFailed(t)
	poll(t, "the PED", usable, func() error {
		_, err := os.Stat(pedControl)
		return err
	})
	shows(t, "pedserver", usable, "SOFTWARE PED")
}

// theCeremony: from a new HSM to a login of two of three custodians, through three
// services that know nothing of each other but their sockets.
func theCeremony(t *testing.T) {
	begun := time.Now()
	p, err := come(t)
	if err != nil {
		t.Fatal(err)
	}
	defer p.leave()
	if err := p.ped.Mode("pair"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{connect + " -password", "ped vector init", "ped disconnect", connect, "hsm init -label services -force",
		"role login -name so", "role logout", "ped disconnect"} {
		if err := p.do(c); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("the ceremony took %.1f s", time.Since(begun).Seconds())
	loggedIn(t, usable)
}
