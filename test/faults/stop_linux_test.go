package faults

import (
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// stopBound is how long `-mode stop` may take: half of 10 s or 15 s
// (-bgprocessshutdowntimeout, -pshutdowntimeout) for a daemon that obeys, the
// other half for SIGTERM, 5 s more for -force.
const stopBound = 20*time.Second + room

// situation is one in which a daemon is told to stop.
type situation struct {
	screen string // of a login that runs meanwhile; "" none
	before func(*testing.T, *lab.Lab, office)
}

var situations = map[string]situation{
	"idle":               {},
	"mid-dialogue":       {screen: "login.pin"},
	"PED mute":           {before: func(t *testing.T, l *lab.Lab, _ office) { must(t, l.PED().Freeze()) }},
	"PED mute, at work":  {screen: "login.pin", before: func(t *testing.T, l *lab.Lab, _ office) { must(t, l.PED().Freeze()) }},
	"half-open peer":     {before: func(_ *testing.T, _ *lab.Lab, o office) { o.dead() }},
	"half-open, at work": {screen: "login.pin", before: func(_ *testing.T, _ *lab.Lab, o office) { o.dead() }},
}

// Whatever happens, stop ends the daemon within its bound, says so, leaves
// nothing, and what was written is whole.
func TestStopInEverySituation(t *testing.T) {
	asked(t)
	for _, program := range []string{"pedserver", "pedclient"} {
		for name, s := range situations {
			stopIn(t, program, name, s, false)
		}
		for _, name := range []string{"idle", "mid-dialogue", "half-open peer"} {
			stopIn(t, program, name, situations[name], true)
		}
	}
}

func stopIn(t *testing.T, program, name string, s situation, peer bool) {
	if peer {
		program += "/PED-initiated"
	}
	t.Run(program+"/"+strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
		asked(t)
		program, _, _ := strings.Cut(program, "/")
		o := newOffice(t)
		l := begin(t, o.options(peer))
		stop := func() {
			if s.before != nil {
				s.before(t, l, o)
			}
			var out string
			var err error
			within(t, stopBound, "stop", func() { out, err = l.Run(program, "-mode", "stop") })
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			says(t, out, "Stop command passed.")
			if out, err := l.Run(program, "-mode", "show"); lab.ExitCode(err) != 3 {
				t.Errorf("show after stop: %v\n%s", err, out)
			}
			for _, left := range []string{program + ".sock", program + ".lock"} {
				if lab.Exists(l.Path(left)) {
					t.Errorf("%s was left", left)
				}
			}
		}
		if s.screen == "" {
			stop()
		} else {
			e, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), At: at(s.screen, stop)})
			if program == "pedserver" && (err != nil || e.OK()) {
				t.Errorf("the login: %v\n%s", err, e)
			}
		}
		if strings.HasPrefix(name, "PED") {
			must(t, l.PED().Thaw())
		}
		if strings.HasPrefix(name, "half") {
			o.alive()
		}
		if program == "pedserver" {
			l.StartServer()
		} else {
			l.StartClient()
		}
		deskSays(t, l, hasPED)
		if peer {
			l.Link()
		}
		if peer && program == "pedserver" {
			back(t, l, peer)
		} else { // pedclient keeps no wish over its end
			connect(t, l)
		}
		unharmed(t, l)
	})
}

// A daemon that is stopped itself, or hangs, is ended by stop -force within its
// bound, and without -force stop says what to do.
func TestStopOfAStoppedDaemon(t *testing.T) {
	asked(t)
	bound := map[string]string{"pedserver": "-bgprocessshutdowntimeout", "pedclient": "-pshutdowntimeout"}
	for _, program := range []string{"pedserver", "pedclient"} {
		t.Run(program, func(t *testing.T) {
			asked(t)
			l := begin(t, lab.Options{})
			p := l.Server()
			if program == "pedclient" {
				p = l.Client()
			}
			must(t, p.Freeze())
			within(t, 4*time.Second+room, "stop", func() {
				out, err := l.Run(program, "-mode", "stop", bound[program], "4")
				if lab.ExitCode(err) != 2 {
					t.Errorf("%v\n%s", err, out)
				}
				says(t, out, "does not end", "-force")
			})
			within(t, 4*time.Second+room, "stop -force", func() {
				if out, err := l.Run(program, "-mode", "stop", "-force", bound[program], "4"); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
			if program == "pedserver" {
				l.StartServer()
			} else {
				l.StartClient()
			}
			deskSays(t, l, hasPED)
			connect(t, l)
			unharmed(t, l)
		})
	}
}
