package thief

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
	"openped/rpv"
	"openped/softped"
)

// TestCrashBetweenWriteAndCommit: custodians change their PINs and write the new
// shares over their own keys, as people do. Wherever the HSM, the PED or the link
// dies on the way, and however often in a row, every quorum of the set that is in
// force still logs in with the PINs that go with it.
//
// Rule out: in rpv's Key.WritePending, put the set in Current; or in softped's
// makeRoom, never move the pending set up; or in hsm's present, answer UseCurrent
// always.
func TestCrashBetweenWriteAndCommit(t *testing.T) {
	r := ready(t)
	pins := map[protocol.SetID][]custodian{r.live(): blue}
	round := 0
	// change is a change by the first custodian and another one, onto everybody's
	// own key.
	second := 1
	change := func() (next []custodian, err error) {
		round++
		next = make([]custodian, len(blue))
		for i, k := range blue {
			next[i] = custodian{Key: k.Key, PIN: fmt.Sprintf("%d%07d", i+1, round)}
		}
		old := pins[r.live()]
		crew := r.crew([]custodian{old[0], old[second]}, next)
		defer crew()
		return next, r.Slot.ChangePIN(t.Context(), protocol.RoleSO, nil)
	}
	// crash runs a change that dies where die says, and checks what is left.
	crash := func(name string, die func(reached *atomic.Bool)) (died bool) {
		t.Helper()
		was := r.live()
		var reached atomic.Bool
		die(&reached)
		next, err := change()
		died = reached.Load()
		r.onFrame.Store(nil)
		r.Restart()
		now := r.live()
		if now != was {
			pins[now] = next
		}
		if err == nil && now == was || !died && err != nil {
			t.Fatalf("%s: %s; changed %v", name, hsmtest.Describe(err), now != was)
		}
		wants(t, r.connect(""), hsmapi.CKR_OK)
		for _, q := range [][2]int{{0, 1}, {1, 2}, {2, 0}} {
			keys := pins[now]
			crew := r.crew([]custodian{keys[q[0]], keys[q[1]]}, nil)
			g, err := r.Slot.Login(t.Context(), protocol.RoleSO, hsmtest.Console{Yes: true})
			crew()
			if err != nil {
				t.Fatalf("%s: custodians %d and %d: %s (changed %v)", name, q[0]+1, q[1]+1, hsmtest.Describe(err), now != was)
			}
			g.Release()
		}
		return died
	}
	// Right after a good change the second key, which nobody has read since, holds
	// its live share as pending. Then the next one dies: that share must not have
	// given way to the new one.
	second = 2
	for n := 1; n < 5; n++ {
		next, err := change()
		if err != nil {
			t.Fatal(hsmtest.Describe(err))
		}
		pins[r.live()] = next
		crash(fmt.Sprintf("HSM dies at write %d of a second change", n), func(reached *atomic.Bool) {
			r.Driver.Crash(n, false, func() { reached.Store(true); r.line.Cut() })
		})
	}
	second = 1
	// The HSM's disk is the last thing that works, or has just stopped to.
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			if !crash(fmt.Sprintf("HSM dies at write %d (done: %v)", n, after), func(reached *atomic.Bool) {
				r.Driver.Crash(n, after, func() { reached.Store(true); r.line.Cut() })
			}) {
				if n < 4 {
					t.Errorf("a change of PINs has only %d writes", n-1)
				}
				break
			}
		}
	}
	// The link, or the PED with it, dies at any frame.
	for n := int32(1); ; n += stride {
		if !crash(fmt.Sprintf("link dies at frame %d", n), func(reached *atomic.Bool) {
			left := n
			line := r.line
			cut := func() {
				if left--; left == 0 {
					reached.Store(true)
					line.Cut()
				}
			}
			r.onFrame.Store(&cut)
		}) {
			if n < 20 {
				t.Errorf("a change of PINs has only %d frames", n-1)
			}
			break
		}
	}
}

// spoiler is a folder of PED keys of which one does not keep what is written.
type spoiler struct {
	rpv.DirStore
	bad string
	mu  sync.Mutex
	hit bool // it has just been written
}

func (s *spoiler) Save(name string, k *rpv.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hit = name == s.bad
	return s.DirStore.Save(name, k)
}

func (s *spoiler) Load(name string) (*rpv.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.DirStore.Load(name)
	if err == nil && s.hit && name == s.bad {
		k.Pending.Masked[7] ^= 1
		s.hit = false
	}
	return k, err
}

// TestKeyThatForgets: a PED key that does not hold what was written to it is found
// out before the HSM counts on it; its custodian takes another one.
//
// Rule out: in softped's port.save, do not compare what was read back.
func TestKeyThatForgets(t *testing.T) {
	keys := &spoiler{bad: "worn"}
	r := newRig(t, func(c *softped.Config) {
		keys.DirStore = c.Keys.(rpv.DirStore)
		c.Keys = keys
	})
	r.bootstrap()
	r.blank("worn")
	good := custodian{Key: "blue1", PIN: "31415926"}
	r.blank(good.Key)
	c := start(func() error { return r.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "x"}, nil) })
	r.offer(orange)
	p := r.people.Wait("create.reuse").Press("N").Wait("create.m").Press("1E").Wait("create.n").Press("1E")
	p.Wait("create.insert").Insert("worn").Press("E").Wait("create.blank").Press("Y").Wait("create.pin").Press("1111E1111E")
	before := r.mark()
	p.Wait("notice.key-fault")
	for _, f := range r.passed(before) {
		if !f.toPED && channel.Type(f.record[0]) == channel.TypeData {
			t.Error("the HSM was told something of the worn key")
		}
	}
	p.Insert(good.Key).Press("E").Wait("create.blank").Press("Y").Wait("create.pin").Press(good.PIN + "E" + good.PIN + "E")
	p.Wait("create.duplicate").Press("N")
	r.keyset(1, red)
	r.ends(c, hsmapi.CKR_OK)
	r.login(hsmapi.CKR_OK, good)
}

// live is the SO's set in force.
func (r *rig) live() protocol.SetID { return r.State().Roles[protocol.RoleSO].Set }

// crew is people who do at the PED what it asks, whatever that is: log in with
// some keys, write a 2-of-N set to others, their own. The function returned ends
// them.
func (r *rig) crew(login, write []custodian) (stop func()) {
	f := r.ped.Follow()
	ctx, cancel := context.WithCancel(r.t.Context())
	gone := make(chan struct{})
	at := custodian{}
	take := func(from *[]custodian) {
		if len(*from) == 0 {
			return // nobody is left: the PED waits, the HSM gives up
		}
		at, *from = (*from)[0], (*from)[1:]
		_ = r.ped.Insert(at.Key)
		r.press("E")
	}
	go func() {
		defer close(gone)
		for {
			s, err := f.Next(ctx)
			if err != nil {
				return
			}
			if s.Seq != r.ped.Screen().Seq {
				continue
			}
			switch s.ID {
			case "key.insert":
				at = orange
				_ = r.ped.Insert(at.Key)
				r.press("E")
			case "key.pin", "login.pin":
				r.press(at.PIN + "E")
			case "login.insert", "login.insert-another":
				take(&login)
			case "create.insert", "create.insert-another":
				take(&write)
			case "create.reuse", "create.duplicate":
				r.press("N")
			case "create.m":
				r.press("2E")
			case "create.n":
				r.press("3E")
			case "create.blank", "create.notblank", "create.sure":
				r.press("Y")
			case "create.pin":
				r.press(at.PIN + "E" + at.PIN + "E")
			}
		}
	}()
	return func() { cancel(); <-gone }
}

func (r *rig) press(keys string) {
	for _, k := range keys {
		_ = r.ped.Press(k)
	}
}
