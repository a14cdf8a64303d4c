package guest

import (
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// A cable pulled in the middle of a dialogue ends it within 2 s, with the right
// name; plugged in again everything works, and nothing was restarted.
func TestUnplugInADialogue(t *testing.T) {
	for _, c := range []cable{vhciCable{}, newUSBIPCable(t), gadget} {
		t.Run(c.flags()[0], func(t *testing.T) {
			l := begin(t, c, lab.Options{})
			connect(t, l)
			number := serial(t, l)
			var pulled time.Time
			end, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), At: once("login.pin", func() {
				pull(t, number)
				pulled = time.Now()
			})})
			took := time.Since(pulled)
			if err != nil || !strings.Contains(end.Result, "CKR_PED_UNPLUGGED") {
				t.Fatalf("%v\n%s", err, end)
			}
			t.Logf("CKR_PED_UNPLUGGED %d ms after the cable was pulled", took.Milliseconds())
			if took > unplugBound { // it takes some hundredths of a second, also in this machine
				t.Errorf("it took %v, not %v", took, unplugBound)
			}
			showSays(t, l.Stage, "disconnected", "plug the PED in")
			must(t, c.plug(l.PED()))
			ready(t, l)
			connect(t, l)
			unharmed(t, l)
			logInAndOut(t, l)
		})
	}
}

// once acts the first time a screen is shown; people do nothing there any more.
func once(id string, act func()) func(lab.Screen) bool {
	done := false
	return func(s lab.Screen) bool {
		if s.ID != id || done {
			return true
		}
		done = true
		act()
		return false
	}
}

// F-01: CKR_PED_UNPLUGGED at the first login after the HSM was restarted, until
// somebody replugs the PED. Here the first login works; and with no PED there
// nobody gets as far as a login, so no attempt is at risk.
func TestF01_FirstLoginAfterARestartOfTheHSM(t *testing.T) {
	l := begin(t, vhciCable{}, lab.Options{})
	connect(t, l)
	l.Client().Stop()
	l.StartClient()
	connect(t, l)
	logInAndOut(t, l)

	pull(t, serial(t, l))
	showSays(t, l.Stage, "disconnected")
	if end, err := l.Perform(lab.Play{Command: login, People: lab.Everybody()}); err != nil || end.OK() {
		t.Fatalf("a login without a PED: %v\n%s", err, end)
	}
	unharmed(t, l)
}
