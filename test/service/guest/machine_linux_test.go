package guest

import (
	"net"
	"os"
	"os/user"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// witness is a service that everybody can judge.
const witness = `[Service]
ExecStart=/bin/sleep infinity
DynamicUser=yes
ProtectSystem=strict
SystemCallFilter=@system-service
StateDirectory=witness
[Install]
WantedBy=multi-user.target
`

// theMachine is what all the others stand on: systemd is process 1 and does what
// it is told, dpkg works, there is a network of our own.
func theMachine(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Error("no loopback:", err)
	} else {
		l.Close()
	}
	if links, err := net.Interfaces(); err != nil || len(links) != 1 {
		t.Errorf("more than a loopback: %v %v", links, err)
	}
	if _, err := user.Lookup("nobody"); err != nil {
		t.Error(err)
	}
	must(t, "dpkg", "--audit")
	if e := run(t, "dpkg-query", "-W", "openped-*"); e.code == 0 {
		t.Fatalf("these tests install openped where it is not, and it is: %s", e)
	}
	if err := os.WriteFile("/proc/sys/kernel/core_pattern", []byte("core"), 0); err == nil {
		t.Error("the machine may change the kernel's settings")
	}
	write(t, "/etc/systemd/system/witness.service", witness)
	must(t, "systemctl", "daemon-reload")
	must(t, "systemctl", "enable", "--now", "witness")
	first := pid(t, "witness")
	must(t, "kill", "-KILL", first)
	poll(t, "the end of the witness", 5*time.Second, func() error { return is("failed", "witness") })
	if out := must(t, "systemd-analyze", "security", "witness"); !strings.Contains(out, "Overall exposure level for witness.service") {
		t.Errorf("systemd-analyze says:\n%s", out)
	}
	if out := must(t, "journalctl", "-q", "--no-pager", "-u", "witness"); !strings.Contains(out, "status=9/KILL") {
		t.Errorf("the journal says:\n%s", out)
	}
	must(t, "systemctl", "start", "witness")
}

// bootAgain: the machine that came back is the one that went down.
func bootAgain(t *testing.T) {
	poll(t, "the witness", 5*time.Second, func() error { return is("active", "witness") })
	must(t, "systemctl", "disable", "--now", "witness")
	if !lab.Exists("/var/lib/private/witness") {
		t.Error("the state is gone")
	}
	must(t, "rm", "-r", "/etc/systemd/system/witness.service", "/var/lib/private/witness", "/var/lib/witness")
	must(t, "systemctl", "daemon-reload")
}

// servicesAgain: those that were enabled are up, and the state is that of before.
func servicesAgain(t *testing.T) {
	noneFailed(t)
	for _, d := range daemons {
		if err := is("active", d); err != nil {
			t.Error(err)
		}
	}
	t.Logf("a login %.1f s after the boot", loggedIn(t, 2*usable).Seconds())
	theWalls(t)
}
