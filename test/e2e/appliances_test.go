package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// Several appliances of one PEDserver: their links stand at the same time, the
// PED is lent to one of them, and who wants it meanwhile is told who has it.
func TestSeveralAppliances(t *testing.T) {
	t.Parallel()
	many := lab.Prepared(t, manySlots)
	l := lab.Start(t, lab.Options{From: many, Peer: true, HSM: 1})
	l.Link()
	// Another rack, with the second HSM.
	const second = "rack2"
	other := lab.New(t, lab.Options{From: many, HSM: 2})
	cert := other.Identify("pedclient", second)
	other.RegisterPEDserver(lab.Desk, l.Path("cert/client/desk.pem"))
	other.StartClient()
	l.RegisterAppliance(second, cert, "127.0.0.1", other.LinkPort)
	for _, mode := range []string{"start", "connect"} {
		if out, err := l.Run("pedserver", "-mode", mode, "-name", second); err != nil {
			t.Fatalf("%s -name %s: %v\n%s", mode, second, err, out)
		}
	}
	out, err := l.Run("pedserver", "-mode", "show")
	if err != nil {
		t.Fatal(err)
	}
	says(t, out, lab.Rack+":", second+":", "parked")

	connect := "ped connect -pedserver " + lab.Desk
	ask := func(command string) (lab.Ended, error) {
		return lab.Perform(other.Console(), l.PED, lab.Play{Command: command, People: lab.Everybody()})
	}
	l.Must(connect, lab.People{})
	l.Must(login, lab.Everybody())
	e, err := ask(connect)
	if err != nil || !strings.Contains(e.Result, "CKR_PED_BUSY") {
		t.Fatalf("%v\n%s", err, e)
	}
	says(t, e.Output, lab.Rack) // the two know each other, so it is said who
	l.Must("role logout", lab.People{})
	l.Must("ped disconnect", lab.People{})
	for _, command := range []string{connect, login, "ped disconnect"} {
		if e, err := ask(command); err != nil || !e.OK() {
			t.Fatalf("the second rack: %v\n%s", err, e)
		}
	}
	l.Must(connect, lab.People{})

	// One is let go, which the other does not notice; then the last.
	if out, err := l.Run("pedserver", "-mode", "stop", "-name", second); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l.Must(login, lab.Everybody())
	e, err = ask(connect)
	if err != nil || !strings.Contains(e.Result, "CKR_PED_UNPLUGGED") {
		t.Errorf("a rack that was let go: %v\n%s", err, e)
	}
	if out, err := l.Run("pedserver", "-mode", "stop", "-name", lab.Rack); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	select {
	case <-l.Server().Done():
	case <-time.After(10 * time.Second):
		t.Error("without an appliance pedserver runs on")
	}
}

// F-28 over TLS: who has the PED is said by name, to those that PEDserver knows
// by their certificates, and to nobody else.
func TestF28_HolderIsNamedOverTLS(t *testing.T) {
	t.Parallel()
	many := lab.Prepared(t, 2)
	l := lab.New(t, lab.Options{From: many})
	rack, desk := l.Identify("pedclient", "rack"), l.Identify("pedserver", "desk")
	l.RegisterAppliance("vault-a", rack, "127.0.0.1", 9697)
	l.RegisterPEDserver(lab.Desk, desk)
	l.StartPED()
	l.StartServer()
	l.StartClient()
	l.Must(l.Connect("-tls"), lab.People{})
	l.Must(login, lab.Everybody())
	show, err := l.Run("pedserver", "-mode", "show")
	if err != nil {
		t.Fatal(err)
	}
	says(t, show, "vault-a")
	known := fails(t, l, "CKR_PED_BUSY", lab.Play{Command: l.Connect("-tls -slot 2")})
	says(t, known, "vault-a", "since")
	stranger := fails(t, l, "CKR_PED_BUSY", lab.Play{Command: l.Connect("-slot 2")})
	if strings.Contains(stranger, "vault-a") {
		t.Errorf("a caller that nobody knows is told who has the PED:\n%s", stranger)
	}
}

// TLS on a link that PEDclient makes: wanted by the caller, and where PEDserver
// requires it, nobody gets the PED without.
func TestTLSOnAnHSMInitiatedLink(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{From: prepared(t), Relay: true, ServerFlags: []string{"-tls", "2"}})
	rack, desk := l.Identify("pedclient", "rack"), l.Identify("pedserver", "desk")
	l.RegisterAppliance(lab.Rack, rack, "127.0.0.1", 9697)
	l.RegisterPEDserver(lab.Desk, desk)
	l.StartPED()
	l.StartServer()
	l.StartClient()
	out := fails(t, l, "CKR", lab.Play{Command: l.Connect()})
	says(t, out, "does not serve this host")
	seen := len(l.Relay.Recorded())
	l.Must(l.Connect("-tls"), lab.People{})
	l.Must(login, lab.Everybody())
	passed := l.Relay.Recorded()[seen:]
	if len(passed) == 0 || passed[0] != 0x16 {
		t.Error("control: the relay saw no TLS")
	}
	for _, word := range []string{lab.Serial(1), "pedclient"} {
		if strings.Contains(string(passed), word) {
			t.Errorf("%q can be read on the wire", word)
		}
	}
}

// PED IDs from beginning to end: set, tested, assigned, used by a connect without
// an address, released, deleted.
func TestPEDIDs(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{From: prepared(t)})
	run := func(code int, line string, parts ...string) {
		t.Helper()
		words := strings.Fields(line)
		out, err := l.Run("pedclient", words...)
		if lab.ExitCode(err) != code {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		says(t, out, parts...)
	}
	free, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	st, err := l.ServerStatus()
	if err != nil {
		t.Fatal(err)
	}
	fails(t, l, "CKR", lab.Play{Command: "ped connect"})
	run(0, fmt.Sprintf("-mode setid -id 7 -id_ip localhost -id_port %d", free))
	run(failed, "-mode testid -id 7", fmt.Sprint(free))
	run(0, fmt.Sprintf("-mode setid -id 7 -id_ip localhost -id_port %d", l.Port))
	run(0, "-mode testid -id 7", st.PED.Serial)
	if st, err := l.ServerStatus(); err != nil || st.Client != nil {
		t.Errorf("testid took the PED: %v %v", st.Client, err)
	}
	run(0, "-mode assignid -id 7 -id_serialnumber "+lab.Serial(1))
	run(failed, "-mode deleteid -id 7", "7", "releaseid")
	l.Must("ped connect", lab.People{})
	l.Must(login, lab.Everybody())
	run(0, "-mode testid -id 7", st.PED.Serial) // the PED is busy, and testid does not disturb
	l.Must("role logout", lab.People{})
	l.Must(login, lab.Everybody())
	l.Must("ped disconnect", lab.People{})

	l.Client().Kill() // it is kept
	l.StartClient()
	l.Must("ped connect", lab.People{})
	l.Must("ped disconnect", lab.People{})

	run(0, "-mode releaseid -id 7")
	fails(t, l, "CKR", lab.Play{Command: "ped connect"})
	run(0, "-mode deleteid -id 7")
	run(failed, "-mode testid -id 7", "7")
}

// A running daemon takes what can change while it serves, says which needs a
// restart, and the HSM that is served notices nothing.
func TestReloadWhileServing(t *testing.T) {
	t.Parallel()
	l := ready(t, lab.Options{})
	asked := false
	end, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), At: func(s lab.Screen) bool {
		if s.ID == "login.pin" && !asked {
			asked = true
			for _, c := range []struct {
				line  string
				parts []string
			}{
				{"pedserver -mode config -set -idletimeout 1234 -waitaddress 1", []string{"IdleTimeout", "WaitForAddress", "restart"}},
				{"pedserver -mode reload", nil},
				{"pedclient -mode config -set -pinginterval 2 -logtrace 1", []string{"PingInterval"}},
				{"pedclient -mode reload", nil},
			} {
				words := strings.Fields(c.line)
				out, err := l.Run(words[0], words[1:]...)
				if err != nil {
					t.Errorf("%s: %v\n%s", c.line, err, out)
				}
				says(t, out, c.parts...)
			}
		}
		return true
	}})
	if err != nil || !end.OK() || !asked {
		t.Fatalf("%v\n%s", err, end)
	}
	st, err := l.ServerStatus()
	if err != nil || st.IdleTimeout != 1234 {
		t.Errorf("the idle timeout is %d: %v", st.IdleTimeout, err)
	}
	conf, err := os.ReadFile(l.Path("pedServer.conf"))
	if err != nil {
		t.Fatal(err)
	}
	says(t, string(conf), "IdleTimeout = 1234;")
	l.Must("role logout", lab.People{})
	l.Must(login, lab.Everybody())
}
