package guest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// What the guide tells an administrator.
const (
	hsmFile     = "/var/lib/openped/pedclient/hsm1"
	originDir   = "/root/origin"
	pedSocket   = "/run/openped/softped/softped.sock"
	pedControl  = "/run/openped/softped/control.sock"
	pedPort     = "1503"
	deviceLabel = "unix:" + pedSocket
)

// usable is within what a service has to be of use again.
const usable = 5 * time.Second

// people sit at the PED and the console of the machine.
type people struct {
	t       testing.TB
	stage   *lab.Stage
	ped     *lab.PED
	console *lab.Console
}

// come has them come to the machine as it is.
func come(t testing.TB) (*people, error) {
	s, err := lab.NewStage("/usr/bin", "")
	if err != nil {
		return nil, err
	}
	s.Installed = true
	p := &people{t: t, stage: s}
	if p.ped, err = lab.ControlPED(pedControl); err == nil {
		p.console, err = lab.StartConsole(s)
	}
	if err != nil {
		p.leave()
		return nil, err
	}
	return p, nil
}

func (p *people) leave() {
	if p.ped != nil {
		p.ped.Leave()
	}
	_ = p.stage.Close(false)
}

// do has them carry out a command of the console.
func (p *people) do(command string) error {
	end, err := lab.Perform(p.console, func() *lab.PED { return p.ped }, lab.Play{Command: command, People: lab.Everybody(), Limit: 20 * time.Second})
	if err == nil && !end.OK() {
		err = fmt.Errorf("%s: %s", command, end)
	}
	return err
}

const connect = "ped connect -ip 127.0.0.1 -port " + pedPort

// visit has people come, carry out commands and go.
func visit(t testing.TB, commands ...string) error {
	p, err := come(t)
	if err != nil {
		return err
	}
	defer p.leave()
	for _, c := range commands {
		if err := p.do(c); err != nil {
			return err
		}
	}
	return nil
}

// loginAgain is a whole login of two of three custodians, from nothing. It says
// what it has met if it is not possible at once.
func loginAgain(t testing.TB) error {
	return visit(t, connect, "role login -name so", "role logout", "ped disconnect")
}

// loggedIn waits until a login is possible, and returns how long that took.
func loggedIn(t testing.TB, limit time.Duration) time.Duration {
	t.Helper()
	begun := time.Now()
	poll(t, "a login", limit, func() error { return loginAgain(t) })
	return time.Since(begun)
}

// shows waits until a daemon answers its show.
func shows(t testing.TB, daemon string, limit time.Duration, parts ...string) {
	t.Helper()
	poll(t, "show of "+daemon, limit, func() error {
		e := run(t, daemon, "-mode", "show")
		if e.code != 0 {
			return fmt.Errorf("%s", e)
		}
		for _, p := range parts {
			if !strings.Contains(e.out, p) {
				return fmt.Errorf("it does not show %q: %s", p, e.out)
			}
		}
		return nil
	})
}
