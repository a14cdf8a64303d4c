package faults

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"openped/test/lab"
)

// After a crash a daemon starts as if nothing had been: what the crash left is
// recognised, also when its process id belongs to somebody else by now, who is
// left in peace.
func TestStartAfterACrash(t *testing.T) {
	asked(t)
	for _, program := range []string{"pedserver", "pedclient"} {
		t.Run(program, func(t *testing.T) {
			asked(t)
			l := begin(t, lab.Options{})
			start, p := l.StartServer, l.Server()
			if program == "pedclient" {
				start, p = l.StartClient, l.Client()
			}
			p.Kill()
			if !lab.Exists(l.Path(program+".sock")) || !lab.Exists(l.Path(program+".lock")) {
				t.Error("control: the crash left nothing")
			}
			if out, err := l.Run(program, "-mode", "show"); lab.ExitCode(err) != 3 {
				t.Errorf("show of a daemon that crashed: %v\n%s", err, out)
			}
			start()
			deskSays(t, l, hasPED)
			connect(t, l)
			unharmed(t, l)

			// And again, and the number of the process goes to a bystander.
			if program == "pedserver" {
				l.Server().Kill()
			} else {
				l.Client().Kill()
			}
			bystander := exec.Command("sleep", "300")
			must(t, bystander.Start())
			defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
			must(t, os.WriteFile(l.Path(program+".lock"), []byte(strconv.Itoa(bystander.Process.Pid)+"\n"), 0o600))
			for mode, want := range map[string]int{"show": 3, "stop": 3} {
				if out, err := l.Run(program, "-mode", mode); lab.ExitCode(err) != want {
					t.Errorf("%s: %v\n%s", mode, err, out)
				}
			}
			if !alive(bystander.Process.Pid) {
				t.Error("stop ended a bystander")
			}
			start()
			if !alive(bystander.Process.Pid) {
				t.Error("start ended a bystander")
			}
			deskSays(t, l, hasPED)
			connect(t, l)
			unharmed(t, l)
		})
	}
}

// alive reports whether a process of ours runs, and is no zombie.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	var id int
	var name, state string
	_, err = fmt.Sscan(string(b), &id, &name, &state)
	return err == nil && state != "Z"
}

// After a crash on a machine that then got another address, pedserver starts as
// it always was started, and is found at the new one.
func TestStartAfterACrashElsewhere(t *testing.T) {
	asked(t)
	o := newOffice(t)
	l := begin(t, o.options(false))
	l.Server().Kill()
	o.desk.Remove("eth0", deskAddr+"/24")
	o.desk.Add("eth0", "10.43.0.99/24")
	l.StartServer()
	l.Must("ped connect -ip 10.43.0.99", lab.People{})
	unharmed(t, l)
}

// With -autoconnect nobody types anything: not when pedserver is there first, not
// after a crash of either side.
func TestAutoConnectAfterCrashes(t *testing.T) {
	asked(t)
	l := lab.New(t, lab.Options{From: lab.Prepared(t, 1), Peer: true, ServerFlags: []string{"-autoconnect", "1"}})
	l.StartPED()
	l.StartServer()
	time.Sleep(3 * time.Second) // it tries, and nobody is there
	l.StartClient()
	connect(t, l)
	unharmed(t, l)

	l.Server().Kill()
	rackSays(t, l, disconnected)
	l.StartServer()
	back(t, l, true)
	unharmed(t, l)

	l.Client().Kill()
	deskSays(t, l, hasPED, servesNobody)
	l.StartClient()
	l.Poll(returnBound, "the link again", func() error {
		out, err := l.Run("pedserver", "-mode", "show")
		return missing(out, err, []string{"parked"})
	})
	connect(t, l)
	unharmed(t, l)
}
