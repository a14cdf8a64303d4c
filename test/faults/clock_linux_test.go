package faults

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

const day = 24 * time.Hour

// jumped is one program, or all, whose wall clock jumps.
var jumped = [][]string{{"pedserver"}, {"pedclient"}, {"softped"}, lab.Programs}

// A wall clock that jumps by a day, either way, changes nothing: not for a session
// that is open, not for a dialogue that runs, not for the next connect. Times are
// told truly: no negative one, none of a day.
func TestClockJumps(t *testing.T) {
	asked(t)
	for _, by := range []time.Duration{day, -day} {
		for _, who := range jumped {
			name := who[0]
			if len(who) > 1 {
				name = "all"
			}
			t.Run(name+by.String(), func(t *testing.T) {
				asked(t)
				// All at once: with links that PEDserver makes, whose certificates
				// have a beginning and an end.
				l := begin(t, lab.Options{Clock: true, Peer: len(who) > 1})
				l.SetClock(by, who...) // connected and idle
				time.Sleep(1500 * time.Millisecond)
				rackSays(t, l, connected)
				l.Must(login, lab.Everybody())
				l.Must("role logout", lab.People{})
				trueTimes(t, l)

				e, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), At: func(s lab.Screen) bool {
					if s.ID == "login.pin" { // and back again, while somebody types
						l.SetClock(0, who...)
						time.Sleep(1200 * time.Millisecond)
					}
					return true
				}})
				if err != nil || !e.OK() {
					t.Fatalf("a clock jumped while a PIN was typed: %v\n%s", err, e)
				}
				l.Must("role logout", lab.People{})
				l.Must("ped disconnect", lab.People{})

				l.SetClock(by, who...) // between two sessions
				if len(who) > 1 {
					for _, mode := range []string{"disconnect", "connect"} {
						if out, err := l.Run("pedserver", "-mode", mode, "-name", lab.Rack); err != nil {
							t.Fatalf("%v\n%s", err, out)
						}
					}
				}
				connect(t, l)
				unharmed(t, l)
				trueTimes(t, l)
			})
		}
	}
}

// trueTimes wants durations that fit a test.
func trueTimes(t *testing.T, l *lab.Lab) {
	t.Helper()
	st, err := l.ServerStatus()
	must(t, err)
	b, err := json.Marshal(st)
	must(t, err)
	const most = 600
	for what, seconds := range map[string]int64{"up": st.UpTime, "idle": st.IdleTime, "connected": st.TotalConnection, "connected idle": st.TotalConnectionIdle} {
		if seconds < 0 || seconds > most {
			t.Errorf("pedserver has been %s for %d s: %s", what, seconds, b)
		}
	}
	out, err := l.HSMCM("ped", "show")
	must(t, err)
	for line := range strings.SplitSeq(out, "\n") {
		if strings.Contains(line, "-8") || strings.Contains(line, "864") || strings.Contains(line, "863") {
			t.Errorf("ped show says %q", line)
		}
	}
}
