package faults

import (
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

// answerBound is how long a command line may wait for a daemon that does not
// answer.
const answerBound = 5*time.Second + room

// A pedserver that is stopped is lost to the HSM after 3 s, whoever waits at the
// PED is told, and when it goes on it serves again.
func TestPedserverIsStopped(t *testing.T) {
	asked(t)
	t.Run("idle", func(t *testing.T) {
		asked(t)
		l := begin(t, lab.Options{})
		must(t, l.Server().Freeze())
		rackSays(t, l, disconnected, "nothing was heard")
		out := fails(t, l, "CKR_PED_UNPLUGGED", lossBound, lab.Play{Command: login, People: lab.Everybody()})
		says(t, out, "nothing was heard", "ped connect")
		within(t, answerBound, "show", func() {
			out, err := l.Run("pedserver", "-mode", "show")
			if lab.ExitCode(err) != 2 {
				t.Errorf("show of a stopped pedserver: %v", err)
			}
			says(t, out, "did not answer")
		})
		out = fails(t, l, "CKR_PED_UNPLUGGED", 10*time.Second+room, lab.Play{Command: l.Connect()})
		says(t, out, "does not answer")
		must(t, l.Server().Thaw())
		deskSays(t, l, hasPED)
		connect(t, l)
		unharmed(t, l)
	})
	t.Run("mid-dialogue", func(t *testing.T) {
		asked(t)
		l := begin(t, lab.Options{})
		out := fails(t, l, "CKR_PED_UNPLUGGED", lossBound+room, lab.Play{Command: login, People: lab.Everybody(), At: at("login.pin", func() { must(t, l.Server().Freeze()) })})
		says(t, out, "nothing was heard", "ped connect")
		must(t, l.Server().Thaw())
		deskSays(t, l, hasPED, servesNobody)
		connect(t, l)
		unharmed(t, l)
	})
}

// A pedclient that is stopped gives its PED back after 3 s, so that another HSM
// could have it; when it goes on it knows that the PED is gone.
func TestPedclientIsStopped(t *testing.T) {
	asked(t)
	for name, screen := range map[string]string{"idle": "", "mid-dialogue": "login.pin"} {
		t.Run(name, func(t *testing.T) {
			asked(t)
			l := begin(t, lab.Options{})
			stopped := func() {
				must(t, l.Client().Freeze())
				deskSays(t, l, hasPED, servesNobody)
				within(t, answerBound, "show", func() {
					out, err := l.Run("pedclient", "-mode", "show")
					if lab.ExitCode(err) != 2 {
						t.Errorf("show of a stopped pedclient: %v\n%s", err, out)
					}
					says(t, out, "did not answer")
				})
				within(t, answerBound, "ped show", func() {
					out, err := l.HSMCM("ped", "show")
					if err == nil {
						t.Errorf("ped show of a stopped pedclient:\n%s", out)
					}
					says(t, out, "pedclient", "answer")
				})
				must(t, l.Client().Thaw())
			}
			if screen == "" {
				stopped()
			} else {
				out := fails(t, l, "CKR_DEVICE_REMOVED", time.Minute, lab.Play{Command: login, People: lab.Everybody(), At: at(screen, stopped)})
				says(t, out, "pedclient does not answer")
			}
			rackSays(t, l, disconnected)
			connect(t, l)
			unharmed(t, l)
		})
	}
}

// A PED that does not answer any more, plugged in as it is, is told from one that
// is there; it is found again when it comes to.
func TestPEDIsMute(t *testing.T) {
	asked(t)
	t.Run("idle", func(t *testing.T) {
		asked(t)
		l := begin(t, lab.Options{})
		must(t, l.PED().Freeze())
		deskSays(t, l, noPED, servesNobody)
		rackSays(t, l, disconnected)
		fails(t, l, "CKR_PED_UNPLUGGED", room, lab.Play{Command: login})
		out := fails(t, l, "CKR_PED_UNPLUGGED", room, lab.Play{Command: l.Connect()})
		if !strings.Contains(out, "PED does not answer") && !strings.Contains(out, "no PED") { // as far as pedserver knows by then
			t.Errorf("it is not said that the PED is mute, or away:\n%s", out)
		}
		must(t, l.PED().Thaw())
		deskSays(t, l, hasPED)
		connect(t, l)
		unharmed(t, l)
	})
	t.Run("mid-dialogue", func(t *testing.T) {
		asked(t)
		l := begin(t, lab.Options{})
		out := fails(t, l, "CKR_PED_UNPLUGGED", lossBound+room, lab.Play{Command: login, People: lab.Everybody(), At: at("login.pin", func() { must(t, l.PED().Freeze()) })})
		says(t, out, "PED", "ped connect")
		deskSays(t, l, noPED, servesNobody)
		must(t, l.PED().Thaw())
		deskSays(t, l, hasPED)
		connect(t, l)
		unharmed(t, l)
	})
}

// A stopped pedserver that had made its link comes back with it, and the slot has
// its PED again, without a person; so when pedclient was the one that was stopped.
func TestStoppedOnAPEDInitiatedLink(t *testing.T) {
	asked(t)
	for _, program := range []string{"pedserver", "pedclient"} {
		t.Run(program, func(t *testing.T) {
			asked(t)
			l := begin(t, lab.Options{Peer: true})
			if program == "pedserver" {
				must(t, l.Server().Freeze())
				rackSays(t, l, disconnected, "nothing was heard")
				must(t, l.Server().Thaw())
			} else {
				must(t, l.Client().Freeze())
				deskSays(t, l, hasPED, servesNobody)
				must(t, l.Client().Thaw())
			}
			back(t, l, true)
			unharmed(t, l)
		})
	}
}

// A console that is stopped while people are at the PED for it holds up nobody
// else, and has its answer when it goes on.
func TestConsoleIsStopped(t *testing.T) {
	asked(t)
	l := begin(t, lab.Options{})
	console, stopped := l.Console(), false
	e, err := l.Perform(lab.Play{Command: login, People: lab.Everybody(), At: func(s lab.Screen) bool {
		if s.ID != "login.pin" || stopped {
			return true
		}
		stopped = true
		must(t, console.Freeze())
		within(t, answerBound, "other callers", func() {
			for _, command := range []string{"ped show", "slot list", "audit verify"} {
				if out, err := l.HSMCM(strings.Fields(command)...); err != nil {
					t.Errorf("%s: %v\n%s", command, err, out)
				}
			}
		})
		thaw := time.AfterFunc(2*time.Second, func() { _ = console.Thaw() })
		t.Cleanup(func() { thaw.Stop() })
		return true
	}})
	if err != nil || !e.OK() || !stopped {
		t.Errorf("%v\n%s", err, e)
	}
	l.Must("role logout", lab.People{})
	unharmed(t, l)
}
