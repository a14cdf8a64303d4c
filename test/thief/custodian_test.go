package thief

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

// second is another HSM of the same maker, with an orange key of its own, and
// connected to the rig's PED.
func (r *rig) second() *hsmtest.HSM {
	r.t.Helper()
	h := hsmtest.NewHSM(r.t, "7000002", "")
	wants(r.t, r.Slot.Disconnect(r.t.Context()), hsmapi.CKR_OK)
	r.pair(h, "24681357")
	own := custodian{Key: "orange2", PIN: "75319864"}
	r.vector(h, nil, own)
	wants(r.t, h.Slot.Disconnect(r.t.Context()), hsmapi.CKR_OK)
	wants(r.t, r.connectTo(h, ""), hsmapi.CKR_OK)
	r.blank("scratch")
	return h
}

// TestForeignHSMNeedsYES: a genuine HSM that a custodian's key does not list gets
// nothing of it before its custodian has said YES to a screen with its certified
// serial; NO ends it without the PIN having been asked.
//
// Rule out: in softped's welcome, return true at once.
func TestForeignHSMNeedsYES(t *testing.T) {
	r := ready(t)
	other := r.second()
	before, follow := r.mark(), r.watch()
	c := start(func() error { return other.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "thief"}, nil) })
	r.offer(custodian{Key: "orange2", PIN: "75319864"})
	r.people.Wait("create.reuse").Press("Y").Wait("reuse.insert").Insert(blue[0].Key).Press("E").Wait("login.foreign")
	if text := r.people.Lines(); !strings.Contains(text, "7000002") {
		t.Errorf("the custodian is not told for whom:\n%s", text)
	}
	r.people.Press("N")
	r.ends(c, hsmapi.CKR_PED_REFUSED)
	if s := follow.shown(); slices.Contains(s, "reuse.pin") || slices.Contains(s, "login.pin") {
		t.Errorf("a PIN was asked: %v", s)
	}
	if len(r.passed(before)) == 0 || other.State().Initialized() {
		t.Error("the HSM got what it wanted")
	}
}

// TestMistypedPINOnReuse: a PIN that is mistyped while a keyset is taken over
// gives a secret as plausible as the true one, and nobody can tell; two readings
// that do not agree change nothing.
//
// Rule out: in hsm's operation.reuse, drop the comparison of a and b.
func TestMistypedPINOnReuse(t *testing.T) {
	r := ready(t)
	other := r.second()
	orange2 := custodian{Key: "orange2", PIN: "75319864"}
	first := true
	reuse := func(code hsmapi.Code, quorums ...custodian) {
		t.Helper()
		c := start(func() error { return other.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "two"}, nil) })
		if first {
			r.offer(orange2)
			first = false
		}
		r.people.Wait("create.reuse").Press("Y")
		for i, k := range quorums {
			id := [...]string{"reuse.insert", "reuse.insert-another", "reuse.again", "reuse.insert-another"}[i]
			r.people.Wait(id).Insert(k.Key).Press("E").Wait("login.foreign", "reuse.pin")
			if r.ped.Screen().ID == "login.foreign" {
				r.people.Press("Y").Wait("reuse.pin")
			}
			r.people.Press(k.PIN + "E")
		}
		if code == hsmapi.CKR_OK {
			r.people.Wait("reuse.duplicate").Press("N")
			r.keyset(1, custodian{Key: "red2", PIN: "4444"})
		}
		r.ends(c, code)
	}
	for name, q := range map[string][]custodian{
		"in the first reading":  {wrong(blue[0]), blue[1], blue[0], blue[1]},
		"in the second reading": {blue[0], blue[1], blue[0], wrong(blue[1])},
		"in both, differently":  {wrong(blue[0]), blue[1], blue[0], wrong(blue[1])},
	} {
		reuse(hsmapi.CKR_PIN_INCORRECT, q...)
		if st := other.State(); st.Initialized() || len(st.Roles) != 0 || len(st.Pending) != 0 {
			t.Errorf("mistyped %s: the HSM has %d roles, %d pending sets", name, len(st.Roles), len(st.Pending))
		}
	}
	// Read the same twice it is taken over, and logs in.
	reuse(hsmapi.CKR_OK, blue[0], blue[1], blue[2], blue[1])
	c := start(func() error {
		_, err := other.Slot.Login(t.Context(), protocol.RoleSO, nil)
		return err
	})
	for i, k := range blue[:2] {
		r.people.Wait([]string{"login.insert", "login.insert-another"}[i]).Insert(k.Key).Press("E").Wait("login.foreign", "login.pin")
		if r.ped.Screen().ID == "login.foreign" {
			r.people.Press("Y").Wait("login.pin")
		}
		r.people.Press(k.PIN + "E")
	}
	r.ends(c, hsmapi.CKR_OK)
}

// TestMistypedPINOnOrangeReuse: the same for an RPV, which the PED joins.
//
// Rule out: in softped's reuseRPV, drop the comparison of a and b.
func TestMistypedPINOnOrangeReuse(t *testing.T) {
	r := newRig(t, nil)
	r.bootstrap()
	wants(t, r.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
	other := hsmtest.NewHSM(t, "7000002", "")
	r.pair(other, "24681357")
	reuse := func(code hsmapi.Code, twice ...custodian) {
		t.Helper()
		c := start(func() error { return other.Slot.InitRPV(t.Context(), nil, nil) })
		r.people.Wait("create.reuse").Press("Y")
		for i, k := range twice {
			r.people.Wait([]string{"reuse.insert", "reuse.again"}[i]).Insert(k.Key).Press("E").Wait("reuse.pin").Press(k.PIN + "E")
		}
		r.ends(c, code)
	}
	reuse(hsmapi.CKR_PED_KEY_FAULT, orange, wrong(orange))
	reuse(hsmapi.CKR_PED_KEY_FAULT, wrong(orange), orange)
	if other.State().RPV != nil {
		t.Error("the HSM has an RPV")
	}
	reuse(hsmapi.CKR_OK, orange, orange)
	if st := other.State(); st.RPV == nil || !st.RPV.Value.Equal(r.State().RPV.Value) {
		t.Error("control: the RPV was not taken over")
	}
}

// F-27: a wrong PIN on one split is found out only after the last key. That has
// to be so: whatever would tell earlier, a screen, a message's size, would let a
// thief with one key test PINs one by one. Up to the verdict a wrong PIN looks
// like the right one, on the LCD and on the wire, and the LCD says so.
//
// Rule out: in hsm's collect, answer a first share that differs from an earlier
// login's with ShareFailed.
func TestF27_WrongPINLooksRightUntilTheVerdict(t *testing.T) {
	r := ready(t)
	play := func(first custodian, code hsmapi.Code) (string, []string) {
		t.Helper()
		before, follow := r.mark(), r.watch()
		c := start(func() error {
			_, err := r.Slot.Login(t.Context(), protocol.RoleSO, nil)
			return err
		})
		r.share(first, true)
		r.people.Wait("login.insert-another").Insert(blue[1].Key).Press("E").Wait("login.pin")
		if !strings.Contains(r.people.Lines(), "Checked after the") {
			t.Error("the LCD does not say that PINs are checked after the last key")
		}
		wire, shown := "", follow.shown()
		for _, f := range r.passed(before) {
			wire += fmt.Sprint(f.toPED, len(f.record), " ")
		}
		r.people.Press(blue[1].PIN + "E")
		r.ends(c, code)
		return wire, shown
	}
	goodWire, good := play(blue[0], hsmapi.CKR_OK)
	badWire, bad := play(wrong(blue[0]), hsmapi.CKR_PIN_INCORRECT)
	good, bad = steady(good), steady(bad)
	if goodWire != badWire || !slices.Equal(good, bad) {
		t.Errorf("a wrong PIN shows before the verdict:\n%s\n%s\n%v\n%v", goodWire, badWire, good, bad)
	}
}

// steady leaves out screens of rest, which may be left over.
func steady(ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return !asks(id) })
}

// TestRhythmOnTheWire: who listens on the wire learns how long a custodian took,
// and neither how many digits were typed nor when: with 4 and with 16 digits, in
// any rhythm, the same records of the same size pass at the same times.
//
// Rule out: in softped's ui.push, send an activity record for each key; or in
// channel's padded, return 4 + n.
func TestRhythmOnTheWire(t *testing.T) {
	type typing struct {
		pins  [2]string
		pause func(n int) time.Duration // before the n-th digit
	}
	listen := func(ty typing) (heard []string) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			r.bootstrap()
			people := []custodian{{Key: "blue1", PIN: ty.pins[0]}, {Key: "blue2", PIN: ty.pins[1]}}
			c := start(func() error { return r.Slot.InitHSM(t.Context(), hsm.InitOptions{Label: "thief"}, nil) })
			r.offer(orange)
			r.keyset(2, people...)
			r.keyset(1, red)
			r.ends(c, hsmapi.CKR_OK)
			time.Sleep(time.Minute)
			synctest.Wait()

			before, begun := r.mark(), time.Now()
			c = start(func() error {
				_, err := r.Slot.Login(t.Context(), protocol.RoleSO, nil)
				return err
			})
			for i, p := range people {
				r.people.Wait([]string{"login.insert", "login.insert-another"}[i])
				time.Sleep(1900 * time.Millisecond)
				r.people.Insert(p.Key).Press("E").Wait("login.pin")
				end := time.Now().Add(21 * time.Second) // each takes so long, in all
				for n, d := range p.PIN {
					time.Sleep(ty.pause(n))
					r.people.Press(string(d))
				}
				time.Sleep(time.Until(end))
				r.people.Press("E")
			}
			r.ends(c, hsmapi.CKR_OK)
			zero := begun.Sub(r.born)
			for _, f := range r.passed(before) {
				heard = append(heard, fmt.Sprintf("%v %v %d", f.at-zero, f.toPED, len(f.record)))
			}
		})
		return heard
	}
	every := func(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }
	want := listen(typing{[2]string{"3141", "2718"}, every(5 * time.Second)})
	activity := 0
	for _, h := range want {
		if strings.HasSuffix(h, fmt.Sprintf("false %d", channel.RecordSize(0))) {
			activity++
		}
	}
	if len(want) < 12 || activity < 8 {
		t.Fatalf("only %d records in 46 s, %d as small as activity:\n%s", len(want), activity, strings.Join(want, "\n"))
	}
	for name, ty := range map[string]typing{
		"4 digits, at once":       {[2]string{"3141", "2718"}, every(0)},
		"16 digits, slowly":       {[2]string{"3141592653589793", "2718281828459045"}, every(1300 * time.Millisecond)},
		"4 and 16 digits, uneven": {[2]string{"3141", "2718281828459045"}, func(n int) time.Duration { return time.Duration(n%3) * 700 * time.Millisecond }},
	} {
		if got := listen(ty); !slices.Equal(got, want) {
			t.Errorf("%s can be told from 4 digits slowly:\n%s\n\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
