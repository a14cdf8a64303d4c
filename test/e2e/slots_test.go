package e2e

import (
	"strings"
	"sync"
	"testing"
	"time"

	"openped/test/lab"
)

// manySlots is how many HSMs the many-slot tests have, each with a PED of its
// own.
const manySlots = 3

// workstation is one of several: a PED and a pedserver, and the console at which
// its HSM is asked, which is the rack's.
type workstation struct {
	*lab.Lab
	console *lab.Console
}

// several starts a rack with several HSMs, and a workstation for each.
func several(t *testing.T) (rack *lab.Lab, desks []workstation) {
	t.Helper()
	rack = lab.New(t, lab.Options{From: lab.Prepared(t, manySlots)})
	rack.StartClient()
	for range manySlots {
		desk := lab.New(t, lab.Options{From: lab.Prepared(t, manySlots)})
		desk.StartPED()
		desk.StartServer()
		c, err := lab.StartConsole(rack.Stage)
		if err != nil {
			t.Fatal(err)
		}
		desks = append(desks, workstation{desk, c})
	}
	return rack, desks
}

// do runs a command of slot n at the workstation's console and PED.
func (w workstation) do(t *testing.T, p lab.Play, slot string) bool {
	t.Helper()
	p.Command += " -slot " + slot
	e, err := lab.Perform(w.console, w.PED, p)
	if err != nil || !e.OK() {
		t.Errorf("%s: %v\n%s", p.Command, err, e)
		return false
	}
	return true
}

// Several HSMs of one host are served by PEDs of their own at the same time: the
// custodians of each do their part while those of the others do theirs.
func TestManySlotsAtOnce(t *testing.T) {
	t.Parallel()
	_, desks := several(t)
	// Everybody's PED asks for a key before anybody gives one.
	var all, asked sync.WaitGroup
	asked.Add(manySlots)
	for n, w := range desks {
		slot := lab.Serial(n + 1)[6:]
		all.Go(func() {
			once := sync.OnceFunc(asked.Done)
			defer once()
			if !w.do(t, lab.Play{Command: w.Connect()}, slot) {
				return
			}
			w.do(t, lab.Play{Command: login, People: lab.Everybody(), At: func(s lab.Screen) bool {
				if s.ID == "login.insert" {
					once()
					asked.Wait()
				}
				return true
			}}, slot)
		})
	}
	all.Wait()
}

// F-10: while a PED waits for a person everything else of the HSM host waits with
// it: other partitions, the audit log, whoever asks how things are. Here nothing
// does.
//
// Without the remedy (a command's wait for people holds no lock of the slot and
// none of pedclient) the first question hangs until the PED's time-out.
func TestF10_NobodyWaitsForAPersonAtAPED(t *testing.T) {
	t.Parallel()
	rack, desks := several(t)
	for n, w := range desks {
		w.do(t, lab.Play{Command: w.Connect()}, lab.Serial(n + 1)[6:])
	}
	const patience = 20 * time.Second // a busy machine; a PED waits 200 s
	waits := desks[0]
	asked := false
	waits.do(t, lab.Play{Command: login, People: lab.Everybody(), Limit: 90 * time.Second, At: func(s lab.Screen) bool {
		if s.ID != "login.insert" || asked {
			return true
		}
		asked = true
		begun := time.Now()
		for _, question := range []string{"audit verify", "audit show", "ped show", "hsm showinfo", "slot list", "ped show -slot 2"} {
			if out, err := rack.HSMCM(strings.Fields(question)...); err != nil {
				t.Errorf("%s: %v\n%s", question, err, out)
			}
		}
		if out, err := rack.Run("pedclient", "-mode", "show"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err := waits.Run("pedserver", "-mode", "show"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		// Another slot's login, which is audited too.
		desks[1].do(t, lab.Play{Command: login, People: lab.Everybody()}, "2")
		if d := time.Since(begun); d > patience {
			t.Errorf("others waited %v for a person at a PED", d)
		}
		if id := waits.PED().Now().ID; id != "login.insert" {
			t.Errorf("control: the PED shows %s, nobody was waited for", id)
		}
		return true // and now the person comes
	}}, "1")
	if !asked {
		t.Error("control: the PED did not ask for a key")
	}
}
