package crash

import (
	"fmt"
	"strings"

	"openped/test/lab"
)

// victim is what ends in the middle of a ceremony.
type victim struct {
	name    string
	kill    func(*lab.Lab)
	restart func(*lab.Lab)
	// truth fails until the programs that live say what has happened.
	truth func(*lab.Lab) error
}

var victims = []victim{
	{"softped", func(l *lab.Lab) { l.PED().Kill() }, func(l *lab.Lab) { l.StartPED() }, func(l *lab.Lab) error {
		return all(slotSays(l, "Disconnected"), serverSays(l, "Ped2 Connection Status:   Disconnected"), serverSays(l, "Client Information:         Not Available"))
	}},
	{"pedserver", func(l *lab.Lab) { l.Server().Kill() }, func(l *lab.Lab) { l.StartServer() }, func(l *lab.Lab) error {
		return all(slotSays(l, "Disconnected"), notRunning(l.Run("pedserver", "-mode", "show")))
	}},
	{"pedclient", func(l *lab.Lab) { l.Client().Kill() }, func(l *lab.Lab) { l.StartClient() }, func(l *lab.Lab) error {
		return all(notRunning(l.HSMCM("ped", "show")), serverSays(l, "Client Information:         Not Available"), serverSays(l, "Ped2 Connection Status:   Connected"))
	}},
	{"link", func(l *lab.Lab) { l.Relay.Cut() }, func(*lab.Lab) {}, func(l *lab.Lab) error {
		return all(slotSays(l, "Disconnected"), serverSays(l, "Client Information:         Not Available"), serverSays(l, "Ped2 Connection Status:   Connected"))
	}},
}

func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// slotSays checks what the HSM's side says of its PED.
func slotSays(l *lab.Lab, state string) error {
	for _, cmd := range []string{"ped show", "hsm showinfo"} {
		out, err := l.HSMCM(strings.Fields(cmd)...)
		if err != nil {
			return err
		}
		if got := entry(out, "PED Connection"); !strings.HasPrefix(got, state) {
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

func serverSays(l *lab.Lab, line string) error {
	out, err := l.Run("pedserver", "-mode", "show")
	if err != nil {
		return err
	}
	if !strings.Contains(out, line) {
		return fmt.Errorf("pedserver -mode show does not say %q:\n%s", line, out)
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
