package lab

import (
	"strings"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func TestScreensFromScript(t *testing.T) {
	p := newPED()
	for l := range strings.SplitSeq("ok\nscreen idle\n"+strings.Repeat("|                    |\n", 8)+"noise\nerr no such key\nscreen key.pin\n|SLOT|\n"+strings.Repeat("|x|\n", 7), "\n") {
		p.line(l)
	}
	if len(p.screens) != 2 || p.screens[1].ID != "key.pin" || p.screens[1].Lines[0] != "SLOT" || len(p.replies) != 2 {
		t.Errorf("%+v, %d replies", p.screens, len(p.replies))
	}
}

// TestWhole: the lab can do what tests expect of it.
func TestWhole(t *testing.T) {
	l := Start(t, Options{Relay: true})
	l.Pair()
	l.Init()
	e := l.Must("role login -name so", Everybody())
	if strings.Join(e.Screens, " ") == "" {
		t.Errorf("no screens: %s", e)
	}
	saved := l.Save()

	again := Start(t, Options{From: saved, Relay: true})
	again.Must(again.Connect(), Everybody())
	again.Must("role login -name so", Everybody())
	if n, ped := again.Relay.Count(ToServer); n < ped || ped < 3 {
		t.Errorf("%d frames, %d of them for the PED", n, ped)
	}
	if !strings.Contains(string(again.Relay.Recorded()), Serial(1)) {
		t.Error("nothing was recorded")
	}
}
