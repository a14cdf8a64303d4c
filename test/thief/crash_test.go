package thief

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/hsmapi"
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
	// crash runs a change that dies where die says, and checks what is left.
	crash := func(name string, die func(reached *atomic.Bool)) (died bool) {
		t.Helper()
		round++
		next := make([]custodian, len(blue))
		for i, k := range blue {
			next[i] = custodian{Key: k.Key, PIN: fmt.Sprintf("%d%07d", i+1, round)}
		}
		was := r.live()
		var reached atomic.Bool
		die(&reached)
		crew := r.crew(pins[was], next)
		err := r.Slot.ChangePIN(t.Context(), protocol.RoleSO, nil)
		crew()
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
	for n := int32(1); ; n++ {
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
