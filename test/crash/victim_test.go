package crash

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"openped/test/lab"
)

// victim is what ends in the middle of a ceremony.
type victim struct {
	name    string
	kill    func(*lab.Lab)
	verdict lab.Verdict // on the frame at which it ends
	restart func(*lab.Lab)
	// truth fails until the programs that live say what has happened.
	truth func(*lab.Lab) error
	flags []string // of both daemons
}

// victims end at every point; atFrames, at frames only: a link on which nothing
// passes any more and nobody is told, and everything at once.
var (
	victims  = []victim{softped, pedserver, pedclient, link}
	atFrames = []victim{silence, everything}
)

var (
	softped = victim{
		name: "softped", kill: func(l *lab.Lab) { l.PED().Kill() }, restart: func(l *lab.Lab) { l.StartPED() },
		truth: func(l *lab.Lab) error { return all(slotSays(l, "Disconnected"), serverSays(l, noPED, nobody)) },
	}
	pedserver = victim{
		name: "pedserver", kill: func(l *lab.Lab) { l.Server().Kill() }, restart: func(l *lab.Lab) { l.StartServer() },
		truth: func(l *lab.Lab) error {
			return all(slotSays(l, "Disconnected"), notRunning(l.Run("pedserver", "-mode", "show")))
		},
	}
	pedclient = victim{
		name: "pedclient", kill: func(l *lab.Lab) { l.Client().Kill() }, restart: func(l *lab.Lab) { l.StartClient() },
		truth: func(l *lab.Lab) error {
			return all(notRunning(l.HSMCM("ped", "show")), serverSays(l, nobody, hasPED))
		},
	}
	link    = victim{name: "link", verdict: lab.Cut, truth: linkEnded}
	silence = victim{name: "silence", verdict: lab.Stall, truth: linkEnded, flags: []string{"-pinginterval", "1", "-pingtimeout", "2"}}

	everything = victim{
		name: "everything",
		kill: func(l *lab.Lab) { l.PED().Kill(); l.Server().Kill(); l.Client().Kill() },
		restart: func(l *lab.Lab) {
			l.StartPED()
			l.StartServer()
			l.StartClient()
		},
		truth: func(l *lab.Lab) error {
			return all(notRunning(l.HSMCM("ped", "show")), notRunning(l.Run("pedserver", "-mode", "show")))
		},
	}
)

// Lines of pedserver -mode show: whether it has its PED, and that it serves no
// HSM.
const (
	hasPED = "Ped2 Connection Status:   Connected"
	noPED  = "Ped2 Connection Status:   Disconnected"
	nobody = "Client Information:         Not Available"
)

func linkEnded(l *lab.Lab) error {
	return all(slotSays(l, "Disconnected"), serverSays(l, nobody, hasPED))
}

func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pedKnown fails until pedserver has its PED.
func pedKnown(l *lab.Lab) error {
	st, err := l.ServerStatus()
	if err == nil && !st.PED.Connected {
		err = errors.New("pedserver has no PED")
	}
	return err
}

// slotSays checks what the HSM's side says of its PED.
func slotSays(l *lab.Lab, state string) error {
	for _, cmd := range []string{"ped show", "hsm showinfo"} {
		e, err := l.Perform(lab.Play{Command: cmd})
		if err != nil {
			return err
		}
		if got := entry(e.Output, "PED Connection"); !strings.HasPrefix(got, state) {
			return fmt.Errorf("%s says %q, not %s", cmd, got, state)
		}
	}
	return nil
}

// entry is the value of one line of hsmcm's "name -> value".
func entry(out, name string) string {
	for line := range strings.SplitSeq(out, "\n") {
		if key, value, ok := strings.Cut(line, "->"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// serverSays checks what pedserver says: quickly first, then as people see it.
func serverSays(l *lab.Lab, lines ...string) error {
	st, err := l.ServerStatus()
	if err != nil {
		return err
	}
	if st.PED.Connected != slices.Contains(lines, hasPED) || (st.Client == nil) != slices.Contains(lines, nobody) {
		return fmt.Errorf("PED connected: %v, client: %v", st.PED.Connected, st.Client)
	}
	out, err := l.Run("pedserver", "-mode", "show")
	if err != nil {
		return err
	}
	for _, line := range lines {
		if !strings.Contains(out, line) {
			return fmt.Errorf("pedserver -mode show does not say %q:\n%s", line, out)
		}
	}
	return nil
}

// notRunning wants exit code 3.
func notRunning(out string, err error) error {
	if lab.ExitCode(err) != 3 {
		return fmt.Errorf("exit code %d, not 3: %s", lab.ExitCode(err), out)
	}
	return nil
}
