package guest

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"openped/pedserver"
	"openped/test/lab"
)

// F-29: a firmware update fails while pedserver holds the PED, until it is
// stopped. Here it gives the PED up when it is asked, and goes on: the HSM's
// dialogue is not broken off by the way, another program gets the PED as soon as
// the command is back, and has it until it is done.
func TestFullF29_GivenUpWithoutAStop(t *testing.T) {
	l := begin(t, vhciCable{}, lab.Options{})
	d := plugged(t, l, serial(t, l))
	connect(t, l)
	if out, err := l.Run("pedserver", "-mode", "release"); lab.ExitCode(err) != 2 || !strings.Contains(out, "RC_IN_USE") {
		t.Fatalf("the PED of an HSM was given up: %v\n%s", err, out)
	}
	logInAndOut(t, l)
	_, err := l.Run("pedserver", "-mode", "release", "-force")
	must(t, err)
	give := claim(t, d)
	showSays(t, l.Stage, "PED given up for other programs", "-mode claim")
	end, err := l.Perform(lab.Play{Command: l.Connect(), People: lab.Everybody()})
	if err != nil || !strings.Contains(end.Output, "CKR_PED_UNPLUGGED") || !strings.Contains(end.Output, "-mode claim") {
		t.Fatalf("%v\n%s", err, end)
	}

	_, err = l.Run("pedserver", "-mode", "claim") // too early
	must(t, err)
	showSays(t, l.Stage, "PED in use by", testName(t), strconv.Itoa(os.Getpid()))
	give()
	desk(t, l, "ready", func(s pedserver.Status) bool { return s.PED.State == "ready" })
	connect(t, l)
	logInAndOut(t, l)
	unharmed(t, l)
}
