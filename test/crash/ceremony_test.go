package crash

import (
	"fmt"
	"strings"
	"testing"

	"openped/test/lab"
)

// Keys that are blank in every lab here, for keysets on fresh keys.
var blanks = []string{"blue4", "blue5", "blue6", "red2", "orange2"}

var (
	newBlue   = lab.Of(2, "blue4", "blue5", "blue6")
	newRed    = lab.Of(1, "red2")
	newOrange = lab.Of(1, "orange2")
)

// ceremony is one command that is interrupted, and what must hold afterwards.
type ceremony struct {
	name    string
	base    string // which saved lab it starts from: "new", "paired" or "initialized"
	prepare func(*lab.Lab)
	command func(*lab.Lab) string
	people  lab.People
	from    string // the first screen that counts; "" for all
	after   func(*testing.T, *lab.Lab, aftermath)
}

// aftermath is what is known when everything runs again.
type aftermath struct {
	before, now state // of the HSM
	end         lab.Ended
	killed      string // name of the victim
}

// on returns everybody, with new keysets on these keys.
func on(blue, red, orange lab.Keyset) lab.People {
	p := lab.Everybody()
	p.NewBlue, p.NewRed, p.NewOrange = blue, red, orange
	return p
}

func fixed(command string) func(*lab.Lab) string { return func(*lab.Lab) string { return command } }

func connect(l *lab.Lab) { l.Must(l.Connect(), lab.People{}) }

func loggedIn(l *lab.Lab) {
	connect(l)
	l.Must("role login -name so", lab.Everybody())
}

func pairing(l *lab.Lab) {
	l.Must(l.Connect("-password"), lab.Everybody())
}

// ceremonies are all that is interrupted. "own" means that the custodians write
// the new keyset over the very keys of the old one.
var ceremonies = []ceremony{
	{name: "changepw-own", base: "initialized", prepare: connect, command: fixed("role changepw -name so"),
		people: lab.Everybody(), from: "create.insert", after: afterChange(lab.Blue)},
	{name: "changepw-fresh", base: "initialized", prepare: connect, command: fixed("role changepw -name so"),
		people: on(newBlue, newRed, newOrange), from: "create.insert", after: afterChange(newBlue)},
	{name: "init-own", base: "initialized", prepare: loggedIn, command: fixed("hsm init -label again -force"),
		people: lab.Everybody(), from: "create.insert", after: afterInit(lab.Blue, lab.Red)},
	{name: "init-fresh", base: "initialized", prepare: loggedIn, command: fixed("hsm init -label again -force"),
		people: on(newBlue, newRed, newOrange), from: "create.insert", after: afterInit(newBlue, newRed)},
	{name: "init-first", base: "paired", prepare: connect, command: fixed("hsm init -label again -force"),
		people: lab.Everybody(), from: "create.insert", after: afterInit(lab.Blue, lab.Red)},
	{name: "vector-own", base: "initialized", prepare: loggedIn, command: fixed("ped vector init"),
		people: lab.Everybody(), from: "create.insert", after: afterVector(lab.Orange)},
	{name: "vector-fresh", base: "initialized", prepare: loggedIn, command: fixed("ped vector init"),
		people: on(newBlue, newRed, newOrange), from: "create.insert", after: afterVector(newOrange)},
	{name: "vector-first", base: "new", prepare: pairing, command: fixed("ped vector init"),
		people: lab.Everybody(), from: "create.insert", after: afterFirstVector},
	{name: "pair", base: "new", prepare: func(*lab.Lab) {}, command: func(l *lab.Lab) string { return l.Connect("-password") },
		people: lab.Everybody(), after: afterFirstVector},
	{name: "login", base: "initialized", prepare: connect, command: fixed("role login -name so"),
		people: lab.Everybody(), after: afterLogin},
}

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
	out, err := l.HSMCM("hsm", "showinfo")
	if got := entry(out, "SO Login Attempts Left"); err != nil || got != fmt.Sprint(want) {
		t.Errorf("%s attempts left, not %d: %v", got, want, err)
	}
}

// told checks what the console was told against what became of the keyset.
func told(t *testing.T, a aftermath, committed bool) {
	t.Helper()
	switch {
	case a.end.OK() && !committed:
		t.Errorf("the console was told that it is done, and it is not\n%s", a.end)
	case !a.end.OK() && committed && a.killed != "pedclient" && !strings.Contains(a.end.Output, "in force"):
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
		again := on(blue, newRed, newOrange)
		again.Login = live
		l.Must("role changepw -name so", again)
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
		liveBlue, liveRed, label := lab.Blue, lab.Red, "lab"
		if committed {
			liveBlue, liveRed, label = blue, red, "again"
		}
		out, err := l.HSMCM("hsm", "showinfo")
		if got := entry(out, "Label"); err != nil || a.now.SO != "" && got != label {
			t.Errorf("the label is %q, not %q: %v", got, label, err)
		}
		if a.now.SO != "" {
			attempts(t, l, 3)
			everyPair(t, l, lab.Orange, liveBlue)
			holds(t, l, liveRed.Keys[0].Name, a.now.Domain)
		}
		l.Must("hsm init -label third -force", on(blue, red, newOrange))
		everyPair(t, l, lab.Orange, blue)
		holds(t, l, red.Keys[0].Name, read(t, l).Domain)
	}
}

// uncached makes the PED forget the orange key, so that it is asked for again,
// and connects anew.
func uncached(l *lab.Lab) {
	l.Must("ped disconnect", lab.People{})
	l.Poll(0, "the PED at rest", func() error { return l.PED().Mode("local") })
	l.Poll(0, "the PED at rest", func() error { return l.PED().Mode("remote") })
	connect(l)
}

func afterVector(orange lab.Keyset) func(*testing.T, *lab.Lab, aftermath) {
	return func(t *testing.T, l *lab.Lab, a aftermath) {
		committed := a.now.RPV != a.before.RPV
		told(t, a, committed)
		live := lab.Orange
		if committed {
			live = orange
		}
		login(t, l, live, lab.Blue) // with what the PED may have cached
		uncached(l)
		login(t, l, live, lab.Blue)
		again := on(newBlue, newRed, orange)
		again.Orange = live
		l.Must("ped vector init", again)
		uncached(l)
		login(t, l, orange, lab.Blue)
	}
}

func afterFirstVector(t *testing.T, l *lab.Lab, a aftermath) {
	out, err := l.HSMCM("hsm", "showinfo")
	says := entry(out, "Remote PED Vector")
	if want := map[bool]string{true: "Initialized", false: "Not initialized"}[a.now.RPV != ""]; err != nil || says != want {
		t.Errorf("the vector is said to be %q, not %q: %v", says, want, err)
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
	out, err := l.HSMCM("hsm", "showinfo")
	left := entry(out, "SO Login Attempts Left")
	if err != nil || left != "3" && (left != "2" || pins < 2) {
		t.Errorf("%s attempts left after %d PINs were typed: %v", left, pins, err)
	}
	everyPair(t, l, lab.Orange, lab.Blue)
}
