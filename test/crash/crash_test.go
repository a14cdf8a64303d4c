package crash

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"openped/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// saved makes the labs that ceremonies start from.
func saved(t *testing.T) map[string]string {
	t.Helper()
	bases := map[string]string{}
	for name, make := range map[string]func(*lab.Lab){
		"new":         func(*lab.Lab) {},
		"paired":      func(l *lab.Lab) { l.Pair() },
		"initialized": func(l *lab.Lab) { l.Pair(); l.Init() },
	} {
		l := lab.Start(t, lab.Options{})
		make(l)
		bases[name] = l.Save()
	}
	return bases
}

// TestOneKillEach: each victim once, in the middle of writing.
func TestOneKillEach(t *testing.T) {
	bases := saved(t)
	for i, v := range victims {
		c := ceremonies[i]
		t.Run(c.name+"/"+v.name, func(t *testing.T) {
			t.Parallel()
			if p := (point{screen: 0, frame: 9, dir: lab.ToClient}); !c.kill(t, bases, v, p) {
				t.Errorf("%s was not reached", p)
			}
		})
	}
}

// everyStepEnv asks for TestEveryStep and names the file for its summary.
const everyStepEnv = "OPENPED_CRASH"

// TestEveryStep: every victim at every point of every ceremony.
func TestEveryStep(t *testing.T) {
	summary := os.Getenv(everyStepEnv)
	if summary == "" {
		t.Skipf("takes minutes: make crash, or set %s", everyStepEnv)
	}
	bases := saved(t)
	var mu sync.Mutex
	done, missed := map[string]int{}, map[string]int{}
	t.Run("kill", func(t *testing.T) {
		for _, c := range ceremonies {
			t.Run(c.name, func(t *testing.T) {
				for _, p := range c.points(t, bases) {
					for _, v := range victims {
						t.Run(v.name+"/"+p.String(), func(t *testing.T) {
							t.Parallel()
							reached := c.kill(t, bases, v, p)
							mu.Lock()
							defer mu.Unlock()
							if reached {
								done[c.name]++
							} else {
								missed[c.name]++
								t.Errorf("not reached")
							}
						})
					}
				}
			})
		}
	})
	var out strings.Builder
	for _, c := range ceremonies {
		fmt.Fprintf(&out, "%-16s %3d kill points\n", c.name, done[c.name])
		if done[c.name] == 0 {
			t.Errorf("%s was never interrupted", c.name)
		}
	}
	if err := os.WriteFile(summary, []byte(out.String()), 0o600); err != nil {
		t.Error(err)
	}
}
