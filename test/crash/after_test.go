package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"openped/test/lab"
)

// login logs in, at the first try, and checks what the HSM says then.
func login(t *testing.T, l *lab.Lab, orange, blue lab.Keyset) {
	t.Helper()
	if entry(l.Must("hsm showinfo", lab.People{}).Output, "Roles Logged In") == "so" {
		l.Must("role logout", lab.People{}) // a login outlives the link
	}
	l.Must("role login -name so", lab.People{Orange: orange, Login: blue})
	out := l.Must("hsm showinfo", lab.People{}).Output
	if got := entry(out, "Roles Logged In"); got != "so" {
		t.Fatalf("logged in as %q\n%s", got, out)
	}
	if got := entry(out, "SO Login Attempts Left"); got != "3" {
		t.Fatalf("%s attempts left after a good login", got)
	}
}

// everyPair logs in with each pair of a keyset of three: no key is lost.
func everyPair(t *testing.T, l *lab.Lab, orange, blue lab.Keyset) {
	t.Helper()
	k := blue.Keys
	for _, pair := range [][]lab.Key{{k[2], k[0]}, {k[1], k[2]}, {k[0], k[1]}} {
		login(t, l, orange, lab.Keyset{M: 2, Keys: pair})
	}
}

// attempts checks how many logins are left before anybody has tried again.
func attempts(t *testing.T, l *lab.Lab, want int) {
	t.Helper()
	out := l.Must("hsm showinfo", lab.People{}).Output
	if got := entry(out, "SO Login Attempts Left"); got != fmt.Sprint(want) {
		t.Errorf("%s attempts left, not %d\n%s", got, want, out)
	}
}

// told checks what the console was told against what became of the keyset.
func told(t *testing.T, a aftermath, committed bool) {
	t.Helper()
	switch {
	case a.end.OK() && !committed:
		t.Errorf("the console was told that it is done, and it is not\n%s", a.end)
	case !a.end.OK() && committed && a.victim != "pedclient" && a.victim != "everything" && !strings.Contains(a.end.Output, "in force"):
		t.Errorf("the new keys are in force, and the console was not told\n%s", a.end)
	}
}

func afterChange(blue lab.Keyset) func(*testing.T, *lab.Lab, aftermath) {
	return func(t *testing.T, l *lab.Lab, a aftermath) {
		attempts(t, l, 3)
		committed := a.now.SO != a.before.SO
		told(t, a, committed)
		live := lab.Blue
		if committed {
			live = blue
		}
		everyPair(t, l, lab.Orange, live)
		if !a.again {
			return
		}
		again := on(blue, newRed, newOrange)
		again.Login = live
		l.Must(changePIN, again)
		everyPair(t, l, lab.Orange, blue)
	}
}

func afterInit(blue, red lab.Keyset) func(*testing.T, *lab.Lab, aftermath) {
	return func(t *testing.T, l *lab.Lab, a aftermath) {
		committed := a.now.SO != a.before.SO
		told(t, a, committed)
		if (a.now.Domain != a.before.Domain) != committed {
			t.Fatal("only one of SO and domain is new")
		}
		liveBlue, liveRed, label := lab.Blue, lab.Red, a.before.Label
		if committed {
			liveBlue, liveRed, label = blue, red, "again"
		}
		out := l.Must("hsm showinfo", lab.People{}).Output
		if got := entry(out, "Label"); a.now.SO != "" && got != label {
			t.Errorf("the label is %q, not %q", got, label)
		}
		if a.now.SO != "" {
			attempts(t, l, 3)
			everyPair(t, l, lab.Orange, liveBlue)
			holds(t, l, liveRed.Keys[0].Name, a.now.Domain)
		}
		if a.now.SO != "" && !a.again {
			return
		}
		l.Must("hsm init -label third -force", on(blue, red, newOrange))
		everyPair(t, l, lab.Orange, blue)
		holds(t, l, red.Keys[0].Name, read(t, l).Domain)
	}
}

// afterCopies: the keyset is in force before the first copy is written.
func afterCopies(t *testing.T, l *lab.Lab, a aftermath) {
	if a.now.SO == a.before.SO {
		t.Fatal("the keyset is not in force")
	}
	told(t, a, true)
	everyPair(t, l, lab.Orange, lab.Blue)
	if !a.again {
		return
	}
	l.Must(changePIN, with(func(p *lab.People) { p.Duplicates = []lab.Keyset{newBlue} }))
	everyPair(t, l, lab.Orange, lab.Blue)
	everyPair(t, l, lab.Orange, newBlue)
}

// afterReuse: the keys work for the HSM as it was and as it is.
func afterReuse(t *testing.T, l *lab.Lab, a aftermath) {
	told(t, a, a.now.Label == "again")
	if a.now.SO != a.before.SO || a.now.Domain != a.before.Domain {
		t.Error("the keysets have changed")
	}
	attempts(t, l, 3)
	everyPair(t, l, lab.Orange, lab.Blue)
	if !a.again {
		return
	}
	l.Must("hsm init -label third -force", with(func(p *lab.People) { p.ReuseBlue, p.ReuseRed = lab.Blue, lab.Red }))
	everyPair(t, l, lab.Orange, lab.Blue)
	holds(t, l, "red1", read(t, l).Domain)
}

// uncached makes the PED forget the orange key, so that it is asked for again,
// and connects anew.
func uncached(l *lab.Lab) {
	l.Must("ped disconnect", lab.People{})
	for _, mode := range []string{"local", "remote"} {
		l.Poll(0, "the PED at rest", func() error { return l.PED().Mode(mode) })
		l.Poll(0, "the mode known", func() error { // it reaches pedserver as an event
			if st, err := l.ServerStatus(); err != nil || st.PED.Mode != mode {
				return fmt.Errorf("mode %q: %v", st.PED.Mode, err)
			}
			return nil
		})
	}
	connect(l)
}

func afterVector(orange lab.Keyset) func(*testing.T, *lab.Lab, aftermath) {
	return func(t *testing.T, l *lab.Lab, a aftermath) {
		committed := a.now.RPV != a.before.RPV
		if !slices.Contains(a.end.Screens, "reuse.insert") { // a reuse keeps the set's id
			told(t, a, committed)
		}
		live := lab.Orange
		if committed {
			live = orange
		}
		login(t, l, live, lab.Blue) // with what the PED may have cached
		uncached(l)
		login(t, l, live, lab.Blue)
		if !a.again {
			return
		}
		again := on(newBlue, newRed, orange)
		again.Orange = live
		l.Must(initRPV, again)
		uncached(l)
		login(t, l, orange, lab.Blue)
	}
}

func afterFirstVector(t *testing.T, l *lab.Lab, a aftermath) {
	out := l.Must("hsm showinfo", lab.People{}).Output
	says := entry(out, "Remote PED Vector")
	if want := map[bool]string{true: "Initialized", false: "Not initialized"}[a.now.RPV != ""]; says != want {
		t.Errorf("the vector is said to be %q, not %q", says, want)
	}
	if a.now.RPV == "" {
		l.Poll(0, "the PED at rest", func() error { return l.PED().Mode("pair") })
		l.Pair()
	}
	l.Must("hsm init -label lab -force", lab.Everybody())
	login(t, l, lab.Orange, lab.Blue)
	uncached(l)
	login(t, l, lab.Orange, lab.Blue)
}

// afterLogin: an attempt counts once M shares are there, and not before.
func afterLogin(t *testing.T, l *lab.Lab, a aftermath) {
	pins := 0
	for i, id := range a.end.Screens {
		if id == "login.pin" && i < len(a.end.Screens)-1 {
			pins++
		}
	}
	out := l.Must("hsm showinfo", lab.People{}).Output
	left := entry(out, "SO Login Attempts Left")
	if left != "3" && (left != "2" || pins < 2) {
		t.Errorf("%s attempts left after %d PINs were typed", left, pins)
	}
	everyPair(t, l, lab.Orange, lab.Blue)
}
