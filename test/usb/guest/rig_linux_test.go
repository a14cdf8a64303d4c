package guest

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"openped/pedserver"
	"openped/test/lab"
)

// slow is how many times as long as elsewhere things may take in this machine:
// one emulated processor for all programs, some twenty times slower.
const slow = 5

// unplugBound is within which a dialogue has to end after a cable was pulled.
const unplugBound = 2 * time.Second

// pollBound is within which pedserver tells what is so, as far as nothing says that
// it is to be sooner.
const pollBound = 40 * time.Second

const login = "role login -name so"

// begin is a lab with an initialised HSM whose PED is on a cable, all running,
// the PED plugged in first.
func begin(t testing.TB, c cable, o lab.Options) *lab.Lab {
	t.Helper()
	l := prepare(t, c, o)
	l.StartPED()
	must(t, c.plug(l.PED()))
	plugged(t, l, serial(t, l))
	l.StartServer()
	l.StartClient()
	return l
}

// prepare is begin with nothing started.
func prepare(t testing.TB, c cable, o lab.Options) *lab.Lab {
	t.Helper()
	o.From = lab.Prepared(t, 1)
	if o.Device == "" {
		o.Device = "usb"
	}
	o.Cable = c.flags()
	// A handshake keeps the one processor busy for longer than the daemons of a whole
	// machine are silent.
	quiet := []string{"-pingtimeout", strconv.Itoa(3 * slow)}
	o.ServerFlags, o.ClientFlags = append(o.ServerFlags, quiet...), append(o.ClientFlags, quiet...)
	return lab.New(t, o)
}

var serialText = regexp.MustCompile(`serial ([^ ,]+),`)

// serial is the serial number of the lab's PED, as it tells people.
func serial(t testing.TB, l *lab.Lab) string {
	t.Helper()
	return serialOf(t, l.PED())
}

func serialOf(t testing.TB, p *lab.PED) string {
	t.Helper()
	var found []string
	must(t, p.Until(15*time.Second, "serial number", func() bool {
		found = serialText.FindStringSubmatch(p.Said())
		return found != nil
	}))
	return found[1]
}

// ready waits until pedserver has its PED.
func ready(t testing.TB, l *lab.Lab) {
	t.Helper()
	desk(t, l, "the PED connected", func(s pedserver.Status) bool { return s.PED.Connected })
}

// desk waits until pedserver's status is as it should be, and returns what its
// show says to people then.
func desk(t testing.TB, l *lab.Lab, what string, ok func(pedserver.Status) bool) string {
	t.Helper()
	l.Poll(pollBound, what, func() error {
		s, err := l.ServerStatus()
		if err == nil && !ok(s) {
			err = fmt.Errorf("pedserver says %+v", s.PED)
		}
		return err
	})
	out, err := l.Run("pedserver", "-mode", "show")
	must(t, err)
	return out
}

// connect connects, as soon as both sides are ready for it.
func connect(t testing.TB, l *lab.Lab) {
	t.Helper()
	l.Poll(30*time.Second, "ped connect", func() error {
		end, err := l.Perform(lab.Play{Command: l.Connect(), People: lab.Everybody()})
		if err == nil && !end.OK() {
			err = fmt.Errorf("%s", end)
		}
		return err
	})
}

// logInAndOut is a whole login over what there is.
func logInAndOut(t testing.TB, l *lab.Lab) {
	t.Helper()
	l.Must(login, lab.Everybody())
	l.Must("role logout", lab.People{})
}

var attempts = regexp.MustCompile(`SO Login Attempts Left -> +3\b`)

// unharmed: no login attempt is lost.
func unharmed(t testing.TB, l *lab.Lab) {
	t.Helper()
	if out := l.Must("hsm showinfo", lab.People{}).Output; !attempts.MatchString(out) {
		t.Errorf("an attempt is lost:\n%s", out)
	}
}

// says checks that people are told each of the parts.
func says(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(p)) {
			t.Errorf("it is not said %q:\n%s", p, text)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a program of the machine's.
func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return nil
}

// showSays waits until pedserver's show tells people each of the parts.
func showSays(t testing.TB, s *lab.Stage, parts ...string) {
	t.Helper()
	err := lab.Poll(pollBound, "the truth of pedserver", func() error {
		out, err := s.Run("pedserver", "-mode", "show")
		for _, p := range parts {
			if err == nil && !strings.Contains(strings.ToLower(out), strings.ToLower(p)) {
				err = fmt.Errorf("it is not said %q:\n%s", p, out)
			}
		}
		return err
	})
	must(t, err)
}
