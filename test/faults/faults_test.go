package faults

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"openped/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// wantedEnv asks for these tests.
const wantedEnv = "OPENPED_FAULTS"

// Bounds. Two daemons lose each other after 3 s (-pingtimeout).
const (
	lossBound = 3*time.Second + room
	room      = 7 * time.Second // a busy machine

	// A link that PEDserver made is tried again after 1, 2, 4 … 30 s.
	returnBound = 30*time.Second + room
)

const login = "role login -name so"

// asked leaves a test out that nobody asked for, and has the others run at the
// same time.
func asked(t *testing.T) {
	t.Helper()
	if os.Getenv(wantedEnv) == "" {
		t.Skip("run  make faults")
	}
	t.Parallel()
}

// begin is a lab with an initialised HSM, all running.
func begin(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	o.From = lab.Prepared(t, 1)
	l := lab.Start(t, o)
	if o.Peer {
		l.Link()
	}
	connect(t, l)
	// The HSM proves itself a moment after the connect. Until then it is a stranger
	// to pedserver, and a fault would be taken for a stranger's.
	l.Poll(0, "the HSM known to pedserver", func() error {
		st, err := l.ServerStatus()
		if err == nil && (st.Client == nil || !st.Client.Proven) {
			err = errShows("a stranger")
		}
		return err
	})
	return l
}

// back waits until the slot has its PED again: over a link that PEDserver made it
// comes by itself, else somebody has to connect.
func back(t *testing.T, l *lab.Lab, peer bool) {
	t.Helper()
	if !peer {
		connect(t, l)
		return
	}
	mark := l.PED().Mark()
	l.Poll(returnBound, "the slot served again", func() error {
		out, err := l.HSMCM("ped", "show")
		return missing(out, err, []string{connected})
	})
	for _, s := range l.PED().Since(mark) {
		if strings.HasPrefix(s.ID, "key.") || strings.HasPrefix(s.ID, "login.") || strings.HasPrefix(s.ID, "otp.") {
			t.Errorf("a person was asked for %s", s.ID)
		}
	}
}

// connect connects, as soon as both sides are ready for it.
func connect(t *testing.T, l *lab.Lab) {
	t.Helper()
	var last lab.Ended
	l.Poll(0, "ped connect", func() (err error) {
		last, err = l.Perform(lab.Play{Command: l.Connect()})
		if err == nil && !last.OK() {
			err = fmt.Errorf("%s", last)
		}
		return err
	})
}

// unharmed: everything works, and nothing is lost.
func unharmed(t *testing.T, l *lab.Lab) {
	t.Helper()
	if out := l.Must("hsm showinfo", lab.People{}).Output; !attempts.MatchString(out) {
		t.Errorf("an attempt is lost:\n%s", out)
	} else if strings.Contains(out, "so\n") && loggedIn.MatchString(out) {
		l.Must("role logout", lab.People{})
	}
	l.Must(login, lab.Everybody())
	l.Must("role logout", lab.People{})
	l.Must("audit verify", lab.People{})
}

var (
	attempts = regexp.MustCompile(`SO Login Attempts Left -> +3\b`)
	loggedIn = regexp.MustCompile(`Roles Logged In *-> +so\b`)
)

// within wants f to take no longer than bound.
func within(t *testing.T, bound time.Duration, what string, f func()) {
	t.Helper()
	begun := time.Now()
	f()
	if d := time.Since(begun); d > bound {
		t.Errorf("%s took %v, not %v", what, d, bound)
	}
}

// says checks that people are told each of the parts.
func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(p)) {
			t.Errorf("it is not said %q:\n%s", p, text)
		}
	}
}

// fails runs a command that has to end with a code in time, and returns what was
// printed.
func fails(t *testing.T, l *lab.Lab, code string, bound time.Duration, p lab.Play) string {
	t.Helper()
	var out string
	within(t, bound, p.Command, func() {
		e, err := l.Perform(p)
		if err != nil || !strings.Contains(e.Result, code) {
			t.Fatalf("%s: %v\n%v\nwant %s", p.Command, err, e, code)
		}
		out = e.Output
	})
	return out
}

// at acts once at a screen, by the test's own hand; people do nothing there any
// more.
func at(id string, act func()) func(lab.Screen) bool {
	done := false
	return func(s lab.Screen) bool {
		if s.ID == id && !done {
			done = true
			act()
			return false
		}
		return true
	}
}

// must wants no error of what a test does itself.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Lines of pedserver -mode show and of ped show.
const (
	hasPED       = "Ped2 Connection Status:   Connected"
	noPED        = "Ped2 Connection Status:   Disconnected"
	servesNobody = "Client Information:         Not Available"
	connected    = " Connected"
	disconnected = "Disconnected"
)

// deskSays waits until pedserver -mode show says all of it.
func deskSays(t *testing.T, l *lab.Lab, lines ...string) {
	t.Helper()
	l.Poll(lossBound, "the truth of pedserver", func() error {
		out, err := l.Run("pedserver", "-mode", "show")
		return missing(out, err, lines)
	})
}

// rackSays waits until ped show says all of it.
func rackSays(t *testing.T, l *lab.Lab, lines ...string) {
	t.Helper()
	l.Poll(lossBound, "the truth of ped show", func() error {
		out, err := l.HSMCM("ped", "show")
		return missing(out, err, lines)
	})
}

func missing(out string, err error, lines []string) error {
	for _, line := range lines {
		if err == nil && !strings.Contains(out, line) {
			err = fmt.Errorf("it is not said %q:\n%s", line, out)
		}
	}
	return err
}

// errShows says what was there in place of what was wanted.
type errShows string

func (e errShows) Error() string { return "it shows " + string(e) }
