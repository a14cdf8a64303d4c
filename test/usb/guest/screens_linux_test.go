package guest

import (
	"fmt"
	"testing"

	"openped/test/lab"
)

// The cable is pulled at every screen of a login, and of the making of new keys
// for the custodians. After each everything works when it is plugged in again,
// nothing was restarted, and one quorum logs in: the old one, or the new one if the
// command came as far as that.
func TestFullPulledAtEveryScreen(t *testing.T) {
	newBlue := lab.Of(2, "blue4", "blue5", "blue6")
	people := lab.Everybody()
	people.NewBlue = newBlue
	for _, c := range []struct {
		name, command string
		prepare       func(testing.TB, *lab.Lab)
	}{
		{"login", login, func(testing.TB, *lab.Lab) {}},
		{"new-keys", "role changepw -name so", func(_ testing.TB, l *lab.Lab) { l.Must(login, lab.Everybody()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for cut := 1; ; cut++ {
				ended := false
				t.Run(fmt.Sprintf("screen-%02d", cut), func(t *testing.T) { ended = pulledAt(t, c.command, people, newBlue, cut, c.prepare) })
				if ended || t.Failed() {
					if !ended {
						t.FailNow()
					}
					if cut < 4 {
						t.Errorf("only %d screens", cut-1)
					}
					return
				}
			}
		})
	}
}

// pulledAt pulls at the cut-th screen; true if the command had fewer.
func pulledAt(t *testing.T, command string, people lab.People, newBlue lab.Keyset, cut int, prepare func(testing.TB, *lab.Lab)) bool {
	l := begin(t, vhciCable{}, lab.Options{Blanks: []string{"blue4", "blue5", "blue6"}})
	connect(t, l)
	prepare(t, l)
	number := serial(t, l)
	shown, at := 0, ""
	end, err := l.Perform(lab.Play{Command: command, People: people, At: func(s lab.Screen) bool {
		shown++
		if shown == cut {
			at = s.ID
			pull(t, number)
			return false
		}
		return shown < cut
	}})
	if err != nil {
		t.Fatal(err)
	}
	if at == "" {
		if !end.OK() {
			t.Fatalf("in peace it failed: %s", end)
		}
		return true
	}
	t.Logf("pulled at %s: %s", at, end.Result)
	must(t, vhciCable{}.plug(l.PED()))
	ready(t, l)
	connect(t, l)
	unharmed(t, l)
	if _, err := l.Perform(lab.Play{Command: "role logout"}); err != nil { // whoever is still logged in
		t.Fatal(err)
	}
	if e, err := l.Perform(lab.Play{Command: login, People: lab.Everybody()}); err == nil && e.OK() {
		return false
	}
	p := lab.Everybody()
	p.Login = newBlue
	l.Must(login, p)
	return false
}
