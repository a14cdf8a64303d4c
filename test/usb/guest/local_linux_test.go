package guest

import (
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// A PED on a cable of the HSM's own host: pedclient opens it by itself, names
// pedserver when that has it and is named when it has it, and a pulled cable heals
// with the next command.
func TestFullLocalPED(t *testing.T) {
	c := vhciCable{}
	l := prepare(t, c, lab.Options{Mode: "local"})
	l.StartPED()
	must(t, c.plug(l.PED()))
	number := serial(t, l)
	plugged(t, l, number)
	l.StartClient()
	l.Must("ped connect -local", lab.People{})
	logInAndOut(t, l)
	out, err := l.HSMCM("ped", "show")
	must(t, err)
	says(t, out, "Local PED -> ", "usb", number)

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
	if took > unplugBound {
		t.Errorf("it took %v, not %v", took, unplugBound)
	}
	end, err = l.Perform(lab.Play{Command: login})
	if err != nil || !strings.Contains(end.Result, "CKR_PED_UNPLUGGED") {
		t.Errorf("a login without a PED: %v\n%s", err, end)
	}
	says(t, end.Output, "PED not ready", "no PED found")
	must(t, c.plug(l.PED()))
	plugged(t, l, number)
	logInAndOut(t, l)
	unharmed(t, l)

	l.StartServer()
	showSays(t, l.Stage, "disconnected", "in use by pedclient")
	l.Must("ped disconnect", lab.People{})
	ready(t, l)
	end, err = l.Perform(lab.Play{Command: "ped connect -local"})
	if err != nil || !strings.Contains(end.Result, "CKR_PED_BUSY") {
		t.Errorf("pedserver has it: %v\n%s", err, end)
	}
	says(t, end.Output, "in use by pedserver", "pedserver -mode release")
	if out, err := l.Run("pedserver", "-mode", "release"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	l.Must("ped connect -local -peddevice usb:"+number, lab.People{})
	logInAndOut(t, l)
}
