package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"openped/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// saved makes the labs that ceremonies start from, by name: "new", "paired",
// "initialized", and two in which the custodians wrote over their own keys and
// softped died at the moment of the commit: "torn blue", "torn orange".
func saved(t *testing.T) map[string]string {
	t.Helper()
	l := lab.Start(t, lab.Options{})
	bases := map[string]string{"new": l.Save()}
	for _, step := range []struct {
		name, from, mode string
		do               func(*lab.Lab)
	}{
		{"paired", "new", "pair", (*lab.Lab).Pair},
		{"initialized", "paired", "", func(l *lab.Lab) { connect(l); l.Init() }},
	} {
		l := lab.Start(t, lab.Options{From: bases[step.from], Mode: step.mode})
		step.do(l)
		bases[step.name] = l.Save()
	}
	bases["torn blue"] = torn(t, bases, "changepw-own")
	bases["torn orange"] = torn(t, bases, "vector-own")
	return bases
}

// torn plays a ceremony in which softped dies before it hears of the commit, so
// that no key is promoted.
func torn(t *testing.T, bases map[string]string, name string) string {
	t.Helper()
	c := ceremonies[slices.IndexFunc(ceremonies, func(c ceremony) bool { return c.name == name })]
	points := c.points(t, bases)
	asked := slices.IndexFunc(points, func(p point) bool { return p.id == "create.duplicate" })
	l := c.start(t, bases, victim{})
	before := read(t, l)
	c.interrupt(t, l, softped, point{frame: points[asked].passed[lab.ToServer], dir: lab.ToServer})
	if read(t, l) == before {
		t.Fatalf("%s is not committed", name)
	}
	return l.Save()
}

// TestOneKillEach: each victim once, while keys are written over.
func TestOneKillEach(t *testing.T) {
	bases := saved(t)
	for i, v := range append(slices.Clone(victims), everything) {
		c := ceremonies[i%3]
		points := c.points(t, bases)
		p := points[len(points)*2/3]
		t.Run(c.name+"/"+v.name, func(t *testing.T) {
			t.Parallel()
			c.kill(t, bases, v, p)
		})
	}
}

// everyStepEnv asks for TestEveryStep and names the file for its summary.
const everyStepEnv = "OPENPED_CRASH"

// tally counts kill points that were tried, by ceremony.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *tally) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[name]++
}

// TestEveryStep: every victim at every point of every ceremony; then, over keys
// that a crash has left with two sets, a second crash.
func TestEveryStep(t *testing.T) {
	summary := os.Getenv(everyStepEnv)
	if summary == "" {
		t.Skipf("takes minutes: make crash, or set %s", everyStepEnv)
	}
	bases := saved(t)
	done := tally{n: map[string]int{}}
	t.Run("kill", func(t *testing.T) {
		for _, c := range ceremonies {
			t.Run(c.name, func(t *testing.T) {
				points := c.points(t, bases)
				for _, p := range points {
					for _, v := range c.victims(p) {
						t.Run(v.name+" "+p.String(), func(t *testing.T) {
							t.Parallel()
							c.kill(t, bases, v, p)
							done.add(c.name)
						})
					}
				}
				if slices.Contains(doubled, c.name) {
					for i, d := range pairs(c, points) {
						t.Run(fmt.Sprintf("twice %d: %s %s, %s %s", i, d[0].v.name, d[0].p, d[1].v.name, d[1].p), func(t *testing.T) {
							t.Parallel()
							c.twice(t, bases, d)
							done.add(c.name + " twice")
						})
					}
				}
			})
		}
	})
	var out strings.Builder
	sum := 0
	for _, c := range ceremonies {
		fmt.Fprintf(&out, "%-16s %4d kill points\n", c.name, done.n[c.name])
		if n := done.n[c.name+" twice"]; n > 0 {
			fmt.Fprintf(&out, "%-16s %4d pairs of them\n", "", n)
		}
		if done.n[c.name] == 0 {
			t.Errorf("%s was never interrupted", c.name)
		}
		sum += done.n[c.name] + 2*done.n[c.name+" twice"]
	}
	fmt.Fprintf(&out, "%-16s %4d crashes\n", "in all", sum)
	if err := os.WriteFile(summary, []byte(out.String()), 0o600); err != nil {
		t.Error(err)
	}
}

// victims returns who ends at a point. Where ceremonies differ little from
// another one, what holds no state takes turns.
func (c ceremony) victims(p point) []victim {
	switch {
	case p.frame > 0 && slices.Contains(doubled, c.name):
		return slices.Concat(victims, atFrames)
	case c.thin:
		turn := (p.screen + p.frame + int(p.dir)) % 2
		return []victim{softped, pedclient, []victim{pedserver, link}[turn]}
	}
	return victims
}

// doubled are the ceremonies that write over the keys in force: they have more
// victims, and are interrupted twice in a row as well.
var doubled = []string{"changepw-own", "init-own", "vector-own"}

// maxPairs is how many pairs of kill points are tried of each of these.
const maxPairs = 24

// blow is one crash.
type blow struct {
	v victim
	p point
}

// pairs chooses pairs of crashes at screens, the same in every run: of the first
// it matters where it was, of the second it may be anything.
func pairs(c ceremony, points []point) [][2]blow {
	screens := slices.DeleteFunc(slices.Clone(points), func(p point) bool { return p.screen == 0 })
	r := rand.New(rand.NewPCG(1, uint64(len(c.name))))
	var out [][2]blow
	for i := range maxPairs {
		first := screens[i*len(screens)/maxPairs]
		out = append(out, [2]blow{
			{victims[r.IntN(len(victims))], first},
			{victims[r.IntN(len(victims))], screens[r.IntN(len(screens))]},
		})
	}
	return out
}

// twice interrupts the ceremony, then once more on the keys as the first crash
// left them.
func (c ceremony) twice(t *testing.T, bases map[string]string, d [2]blow) {
	l := c.start(t, bases, victim{})
	c.interrupt(t, l, d[0].v, d[0].p)
	c.prepare(l)
	a := aftermath{before: read(t, l), victim: d[1].v.name, again: true}
	a.end = c.interrupt(t, l, d[1].v, d[1].p)
	c.check(t, l, a)
}
