package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// peers is a lab in which pedserver made the link to pedclient; nobody has the
// PED yet.
func peers(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	o.From, o.Peer = prepared(t), true
	l := lab.Start(t, o)
	l.Link()
	return l
}

// A link that PEDserver makes, from certificates on both sides to a login; then
// the PED is given back, lent again, and the link ended and made again.
func TestPEDInitiatedLink(t *testing.T) {
	t.Parallel()
	l := peers(t, lab.Options{})
	for range 2 {
		l.Must(l.Connect(), lab.People{})
		l.Must(login, lab.Everybody())
		l.Must("role logout", lab.People{})
		l.Must("ped disconnect", lab.People{})
	}
	show, err := l.Run("pedserver", "-mode", "show", "-name", lab.Rack)
	if err != nil {
		t.Fatal(err)
	}
	says(t, show, lab.Rack, "parked")
	if out, err := l.Run("pedserver", "-mode", "disconnect", "-name", lab.Rack); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out := fails(t, l, "CKR_PED_UNPLUGGED", lab.Play{Command: l.Connect()})
	says(t, out, lab.Desk)
	l.Link()
	l.Must("ped connect", lab.People{}) // it is the only one that called
	l.Must(login, lab.Everybody())
}

// F-16, second half: a firewall that lets nobody call PEDserver does not keep
// PEDserver from calling.
//
// Without the remedy (links that PEDserver makes) there is no way in.
func TestF16_PEDserverCallsThroughAFirewall(t *testing.T) {
	t.Parallel()
	of := addressed(t)
	o := of.options(t)
	o.At, o.Port, o.Peer = rackAddr, 9697, true
	of.desk.Shut(usualPort)
	l := lab.Start(t, o)
	l.Link()
	l.Must(l.Connect(), lab.People{})
	l.Must(login, lab.Everybody())
}

// A network that goes away under a link that PEDserver made, and comes back: the
// link comes back by itself, and the slot has its PED again, without a person.
func TestPEDInitiatedLinkComesBack(t *testing.T) {
	t.Parallel()
	of := addressed(t)
	o := of.options(t)
	o.At, o.Port, o.Peer = rackAddr, 9697, true
	l := lab.Start(t, o)
	l.Link()
	l.Must(l.Connect(), lab.People{})
	l.Must(login, lab.Everybody())
	l.Must("role logout", lab.People{})
	for _, lost := range []time.Duration{5 * time.Second, 12 * time.Second} {
		of.desk.Down("eth0")
		l.Poll(15*time.Second, "the truth while the network is away", func() error { return both(l, "Disconnected", "Not Available") })
		time.Sleep(lost - 5*time.Second)
		mark := l.PED().Mark()
		of.desk.Up("eth0")
		l.Poll(45*time.Second, "the slot served again", func() error {
			out, err := l.HSMCM("ped", "show")
			if err == nil && !strings.Contains(out, " Connected") {
				err = fmt.Errorf("ped show says\n%s", out)
			}
			return err
		})
		for _, s := range l.PED().Since(mark) {
			if s.ID != "idle" && s.ID != "remote.ready" {
				t.Errorf("a person was asked: %s", s.ID)
			}
		}
		l.Must(login, lab.Everybody())
		l.Must("role logout", lab.People{})
	}
}
