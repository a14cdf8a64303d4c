package crash

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"openped/protocol"
	"openped/test/lab"
)

// point is where a ceremony is interrupted: at a screen, before people answer it,
// or at a PED frame, before it passes on.
type point struct {
	screen int    // from 1, or 0
	id     string // of that screen
	frame  int    // from 1
	dir    lab.Direction
}

func (p point) String() string {
	if p.screen > 0 {
		return fmt.Sprintf("screen %02d %s", p.screen, p.id)
	}
	return fmt.Sprintf("frame %02d %s", p.frame, p.dir)
}

// count returns the PED frames that have passed, by direction.
func count(l *lab.Lab) (n [2]int) {
	for d := range n {
		_, n[d] = l.Relay.Count(lab.Direction(d))
	}
	return n
}

// start returns the lab of a ceremony, ready for its command.
func (c ceremony) start(t *testing.T, bases map[string]string) *lab.Lab {
	t.Helper()
	mode := ""
	if c.base == "new" {
		mode = "pair"
	}
	l := lab.Start(t, lab.Options{From: bases[c.base], Relay: true, Blanks: blanks, Mode: mode})
	c.prepare(l)
	return l
}

// points plays the ceremony undisturbed and returns where it can be interrupted.
func (c ceremony) points(t *testing.T, bases map[string]string) []point {
	t.Helper()
	l := c.start(t, bases)
	before, began := count(l), [2]int{}
	first := 0
	var screens []string
	e, err := l.Perform(lab.Play{Command: c.command(l), People: c.people, At: func(s lab.Screen) bool {
		screens = append(screens, s.ID)
		if first == 0 && (c.from == "" || s.ID == c.from) {
			first, began = len(screens), count(l)
		}
		return true
	}})
	if err != nil || !e.OK() || first == 0 {
		t.Fatalf("undisturbed: %v\n%s", err, e)
	}
	// Signs of life and what follows the result are no part of it.
	last := len(screens)
	for last > 0 && slices.Contains(telling, screens[last-1]) {
		last--
	}
	var all []point
	for i := first; i <= last; i++ {
		all = append(all, point{screen: i, id: screens[i-1]})
	}
	end := count(l)
	for d := range end {
		for k := began[d] - before[d] + 1; k <= end[d]-before[d]; k++ {
			all = append(all, point{frame: k, dir: lab.Direction(d)})
		}
	}
	return all
}

// telling are screens that ask nothing: they may come after the result.
var telling = []string{"idle", "remote.ready", "notice.done", "notice.failed", "notice.timeout", "session.compute"}

// kill plays the ceremony up to a point, where the victim ends, and checks that
// all is well afterwards. It reports whether the point was reached.
func (c ceremony) kill(t *testing.T, bases map[string]string, v victim, p point) bool {
	t.Helper()
	l := c.start(t, bases)
	before := count(l)
	a := aftermath{before: read(t, l), killed: v.name}
	var hit atomic.Bool
	if p.frame > 0 {
		l.Relay.OnFrame(func(f lab.Frame) lab.Verdict {
			if f.Type != protocol.FramePED || f.Dir != p.dir || f.PED-before[p.dir] != p.frame || hit.Swap(true) {
				return lab.Pass
			}
			if v.name == "link" {
				return lab.Cut
			}
			v.kill(l)
			return lab.Pass
		})
	}
	seen := 0
	var err error
	a.end, err = l.Perform(lab.Play{Command: c.command(l), People: c.people, Limit: 30 * time.Second, At: func(s lab.Screen) bool {
		seen++
		if seen == p.screen && !hit.Swap(true) {
			v.kill(l)
			return false
		}
		return true
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, a.end)
	}
	l.Relay.OnFrame(nil)
	if !hit.Load() {
		return false
	}
	l.Poll(10*time.Second, "the truth about the end of "+v.name, func() error { return v.truth(l) })
	v.restart(l)
	l.Poll(10*time.Second, "the PED at rest, and known", func() error {
		if id := l.PED().Now().ID; !slices.Contains(telling, id) {
			return fmt.Errorf("it shows %s", id)
		}
		return serverSays(l, "Ped2 Connection Status:   Connected")
	})
	a.now = read(t, l)
	if c.base != "new" || a.now.RPV != "" {
		connect(l)
	}
	c.after(t, l, a)
	if t.Failed() {
		t.Logf("the interrupted command: %s", a.end)
	}
	return true
}
