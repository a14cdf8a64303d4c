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
	screen int    // counted from the first that matters, from 1; or 0
	id     string // of that screen
	passed [2]int // PED frames before that screen
	frame  int    // counted from the lab's start, from 1
	dir    lab.Direction
}

func (p point) String() string {
	if p.screen > 0 {
		return fmt.Sprintf("screen %02d %s", p.screen, p.id)
	}
	return fmt.Sprintf("frame %02d %s", p.frame, p.dir)
}

// telling are screens that ask nothing and may come late: nobody counts them.
var telling = []string{"idle", "remote.ready", "notice.done", "notice.failed", "notice.timeout", "session.compute"}

// harmless are questions whose answers only the PED knows until the next key is
// written or read.
var harmless = []string{"create.reuse", "create.m", "create.n", "create.blank", "create.notblank", "create.sure", "create.pin", "reuse.pin"}

// count returns the PED frames that have passed, by direction.
func count(l *lab.Lab) (n [2]int) {
	for d := range n {
		_, n[d] = l.Relay.Count(lab.Direction(d))
	}
	return n
}

// settled is count when no more frames come.
func settled(l *lab.Lab) [2]int {
	l.T.Helper()
	last, same := [2]int{}, 0
	l.Poll(0, "silence on the link", func() error {
		if n := count(l); n != last {
			last, same = n, 0
		}
		if same++; same < 4 {
			return fmt.Errorf("%v frames", last)
		}
		return nil
	})
	return last
}

// start returns the lab of a ceremony, ready for its command.
func (c ceremony) start(t *testing.T, bases map[string]string, v victim) *lab.Lab {
	t.Helper()
	o := lab.Options{From: bases[c.base], Relay: true, Blanks: blanks, ServerFlags: v.flags, ClientFlags: v.flags}
	if c.base == "new" {
		o.Mode = "pair"
	}
	l := lab.Start(t, o)
	l.Poll(0, "the PED known", func() error { return pedKnown(l) })
	c.prepare(l)
	return l
}

// at returns what a play is told of its screens: f is called for each that
// counts, with its number.
func (c ceremony) at(f func(n int, s lab.Screen) bool) func(lab.Screen) bool {
	n := 0
	return func(s lab.Screen) bool {
		if slices.Contains(telling, s.ID) || n == 0 && c.from != "" && s.ID != c.from {
			return true
		}
		n++
		return f(n, s)
	}
}

// points plays the ceremony undisturbed and returns where it can be interrupted.
func (c ceremony) points(t *testing.T, bases map[string]string) []point {
	t.Helper()
	l := c.start(t, bases, victim{})
	began := count(l)
	var all []point
	e, err := l.Perform(lab.Play{Command: c.command(l), People: c.people, At: c.at(func(n int, s lab.Screen) bool {
		if n == 1 && c.from != "" {
			began = count(l)
		}
		if !c.thin || !slices.Contains(harmless, s.ID) {
			all = append(all, point{screen: n, id: s.ID, passed: count(l)})
		}
		return true
	})})
	if err != nil || !e.OK() || len(all) == 0 {
		t.Fatalf("undisturbed: %v\n%s", err, e)
	}
	for d, end := range settled(l) {
		for k := began[d] + 1; k <= end; k++ {
			all = append(all, point{frame: k, dir: lab.Direction(d)})
		}
	}
	return all
}

// kill plays the ceremony up to a point, where the victim ends, and checks that
// all is well afterwards.
func (c ceremony) kill(t *testing.T, bases map[string]string, v victim, p point) {
	t.Helper()
	l := c.start(t, bases, v)
	a := aftermath{before: read(t, l), victim: v.name, again: p.screen%3 == 0}
	a.end = c.interrupt(t, l, v, p)
	c.check(t, l, a)
}

// check is after with what always holds.
func (c ceremony) check(t *testing.T, l *lab.Lab, a aftermath) {
	t.Helper()
	a.now = read(t, l)
	l.Must("audit verify", lab.People{})
	audited(t, l, "rpv", a.now.RPV)
	audited(t, l, "domain", a.now.Domain)
	if c.base != "new" || a.now.RPV != "" {
		connect(l)
	}
	c.after(t, l, a)
	if t.Failed() {
		t.Logf("the interrupted command: %s", a.end)
	}
}

// interrupt plays the ceremony up to a point, where the victim ends, sees that
// the truth is told, and restarts the victim.
func (c ceremony) interrupt(t *testing.T, l *lab.Lab, v victim, p point) lab.Ended {
	t.Helper()
	var hit atomic.Bool
	if p.frame > 0 {
		l.Relay.OnFrame(func(f lab.Frame) lab.Verdict {
			if f.Type != protocol.FramePED || f.Dir != p.dir || f.PED != p.frame || hit.Swap(true) {
				return lab.Pass
			}
			if v.kill != nil {
				v.kill(l)
			}
			return v.verdict
		})
	}
	end, err := l.Perform(lab.Play{Command: c.command(l), People: c.people, Limit: 30 * time.Second, At: c.at(func(n int, s lab.Screen) bool {
		if n != p.screen || hit.Swap(true) {
			return true
		}
		if s.ID != p.id {
			t.Errorf("screen %d is %s this time", n, s.ID)
		}
		if v.verdict == lab.Cut {
			l.Relay.Cut()
		} else {
			v.kill(l)
		}
		return false
	})})
	if err != nil {
		t.Fatalf("%v\n%s", err, end)
	}
	if p.frame > 0 { // the last ones may come after the result
		l.Poll(0, p.String(), func() error {
			if !hit.Load() {
				return fmt.Errorf("not reached: %s", end)
			}
			return nil
		})
	} else if !hit.Load() {
		t.Fatalf("%s was not reached: %s", p, end)
	}
	l.Poll(10*time.Second, "the truth about the end of "+v.name, func() error { return v.truth(l) })
	if v.restart != nil {
		v.restart(l)
	}
	l.Poll(10*time.Second, "the PED at rest, and known", func() error {
		if id := l.PED().Now().ID; !slices.Contains(telling, id) {
			return fmt.Errorf("it shows %s", id)
		}
		return pedKnown(l)
	})
	return end
}
