package faults

import (
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// office is a workstation and a rack with a cable between them.
type office struct{ desk, rack *lab.Host }

const deskAddr, rackAddr = "10.43.0.1", "10.43.0.2"

func newOffice(t *testing.T) office {
	t.Helper()
	n := lab.NewNetwork(t)
	o := office{n.Host("desk"), n.Host("rack")}
	n.Cable("eth0", o.desk, o.rack)
	o.desk.Add("eth0", deskAddr+"/24")
	o.rack.Add("eth0", rackAddr+"/24")
	return o
}

// options are those of a lab at home there; peer: PEDserver makes the link.
func (o office) options(peer bool) lab.Options {
	opts := lab.Options{IP: lab.Any, At: deskAddr, Port: 1503,
		Places: map[string]lab.Place{"pedserver": o.desk, "pedclient": o.rack, "hsmcm": o.rack}}
	if peer {
		opts.At, opts.Port, opts.Peer = rackAddr, 9697, true
	}
	return opts
}

// links are the two kinds: who makes it.
var links = map[string]bool{"HSM-initiated": false, "PED-initiated": true}

// dead makes the network swallow everything, both ways; nobody is told.
func (o office) dead()  { o.desk.Swallow(rackAddr + "/32"); o.rack.Swallow(deskAddr + "/32") }
func (o office) alive() { o.desk.Deliver(rackAddr + "/32"); o.rack.Deliver(deskAddr + "/32") }

// ways are the ways in which a network can fail.
var ways = map[string]struct{ fail, mend func(office) }{
	"swallows both ways":   {office.dead, office.alive},
	"swallows the answers": {func(o office) { o.desk.Swallow(rackAddr + "/32") }, func(o office) { o.desk.Deliver(rackAddr + "/32") }},
	"cable pulled":         {func(o office) { o.desk.Down("eth0") }, func(o office) { o.desk.Up("eth0") }},
}

// A network in which everything vanishes is noticed by both sides in 3 s, in the
// middle of a dialogue too, and forgiven when it is back.
func TestBlackHole(t *testing.T) {
	asked(t)
	for name, way := range ways {
		for kind, peer := range links {
			t.Run(kind+"/"+strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
				asked(t)
				o := newOffice(t)
				l := begin(t, o.options(peer))
				way.fail(o)
				rackSays(t, l, disconnected)
				deskSays(t, l, hasPED, servesNobody)
				out := fails(t, l, "CKR_PED_UNPLUGGED", room, lab.Play{Command: login, People: lab.Everybody()})
				says(t, out, "nothing was heard", "PEDserver")
				out = fails(t, l, "CKR_PED_UNPLUGGED", 10*time.Second+room, lab.Play{Command: l.Connect()})
				if peer {
					says(t, out, lab.Desk, "not connected")
				} else {
					says(t, out, deskAddr, "1503")
				}
				way.mend(o)
				if peer {
					// The command asked for another link, and failed: a person has to.
					connect(t, l)
				} else {
					back(t, l, peer)
				}
				unharmed(t, l)

				out = fails(t, l, "CKR_PED_UNPLUGGED", lossBound+room, lab.Play{Command: login, People: lab.Everybody(), At: at("login.pin", func() { way.fail(o) })})
				says(t, out, "nothing was heard", "PEDserver")
				l.Poll(lossBound, "the PED at rest", func() error {
					if id := l.PED().Now().ID; id != "idle" && !strings.HasPrefix(id, "notice.") {
						return errShows(id)
					}
					return nil
				})
				deskSays(t, l, hasPED, servesNobody)
				way.mend(o)
				back(t, l, peer)
				unharmed(t, l)
			})
		}
	}
}

// A network that is back before anybody gave up was never away.
func TestShortSilence(t *testing.T) {
	asked(t)
	o := newOffice(t)
	l := begin(t, o.options(false))
	l.Must(login, lab.Everybody())
	l.Must("role logout", lab.People{})
	e, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), At: func(s lab.Screen) bool {
		if s.ID == "login.pin" {
			o.dead()
			time.Sleep(700 * time.Millisecond)
			o.alive()
		}
		return true
	}})
	if err != nil || !e.OK() {
		t.Errorf("a network that was gone for 700 ms: %v\n%s", err, e)
	}
}
