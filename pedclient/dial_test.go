package pedclient

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"openped/hsm"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// TestAddressesTried: an error names each address that was called in vain, and
// what became of it.
func TestAddressesTried(t *testing.T) {
	refused, late, route := &net.OpError{Err: syscall.ECONNREFUSED}, &net.OpError{Err: os.ErrDeadlineExceeded}, &net.OpError{Err: syscall.ENETUNREACH}
	ctx, cancel := limited(t.Context(), 10*time.Second)
	defer cancel()
	for name, c := range map[string]struct {
		host  string
		tried []tried
		err   error
		want  string
	}{
		"an address":  {"10.0.0.5", []tried{{"10.0.0.5:9", refused}}, refused, "nobody listens at 10.0.0.5 port 9"},
		"a name":      {"ped", []tried{{"10.0.0.5:9", refused}}, refused, "nobody listens at ped port 9 (tried 10.0.0.5)"},
		"all refuse":  {"ped", []tried{{"10.0.0.5:9", refused}, {"[2001:db8::5]:9", refused}}, refused, "nobody listens at ped port 9 (tried 10.0.0.5, 2001:db8::5)"},
		"all silent":  {"ped", []tried{{"10.0.0.5:9", late}, {"[2001:db8::5]:9", late}}, late, "no answer from ped port 9 (tried 10.0.0.5, 2001:db8::5) within 10s"},
		"differently": {"ped", []tried{{"[2001:db8::5]:9", route}, {"10.0.0.5:9", late}, {"10.0.0.6:9", refused}}, late, "no way to the PEDserver at ped port 9 (no way at 2001:db8::5, no answer at 10.0.0.5, nobody listens at 10.0.0.6)"},
		"unknown":     {"ped", nil, &net.OpError{Err: &net.DNSError{Name: "ped", IsNotFound: true}}, "the name of the PEDserver at ped port 9 is not known"},
		"no DNS":      {"ped", nil, &net.OpError{Err: &net.DNSError{Name: "ped", IsTimeout: true}}, "could not be looked up: no name server answers"},
	} {
		tr := newTrace()
		tr.tried = c.tried
		e := dialError(ctx, Target{Host: c.host, Port: 9}, tr, c.err)
		if !strings.Contains(e.Msg, c.want) || e.Hint == "" || e.Code != hsmapi.CKR_PED_UNPLUGGED {
			t.Errorf("%s: %+v, want %q", name, e, c.want)
		}
	}
}

// TestRealNames: the network's own dialler tells the trace what it tries.
func TestRealNames(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		(&fakeServer{t: t}).serve(c)
	}()
	r, err := Prober{}.Probe(t.Context(), Target{Host: "localhost", Port: port})
	if err != nil || !r.Passed || r.Address != l.Addr().String() || r.PED == nil || !r.PED.Connected || r.PED.Busy != 7 || r.LinkVersion != 1 || r.Software != "fake" {
		t.Errorf("%+v %v", r, err)
	}
	var steps []string
	for _, s := range r.Steps {
		steps = append(steps, s.Name)
	}
	if got := strings.Join(steps, " "); got != "resolve connect hello probe" {
		t.Errorf("%s", got)
	}
	var text strings.Builder
	r.Show(&text)
	for _, want := range []string{"Test of localhost port ", "Name Resolution:", "Connection:", "PEDserver Software:      fake", "Link Version:            1", "PED:                     Connected",
		"PED0001 (software PED)", "PED Mode:                remote", "yes, for 7 (secs)", "Testid command passed."} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	l.Close()
	_, err = plain(nil, Timers{}).dialHold(context.Background(), Target{Host: "localhost", Port: port}, "7000001", nil)
	if he, ok := err.(*hsm.Error); !ok || !strings.Contains(he.Msg, "nobody listens at localhost port ") || !strings.Contains(he.Msg, "127.0.0.1") {
		t.Errorf("%v", err)
	}
}

// TestProbeFails: each step that fails has its own remedy, and what was found
// out before is told.
func TestProbeFails(t *testing.T) {
	serve := func(answers ...protocol.Body) (int, func()) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				for _, b := range answers {
					_, _ = readBody(c)
					_ = protocol.WriteBody(c, b)
				}
				_, _ = readBody(c)
				c.Close()
			}
		}()
		return l.Addr().(*net.TCPAddr).Port, func() { l.Close() }
	}
	hello := protocol.Hello{MinVersion: 1, MaxVersion: 1, Software: "pedserver 9"}
	for name, c := range map[string]struct {
		answers []protocol.Body
		tls     bool
		want    string
		step    string // the last that was made
	}{
		"no PED":        {[]protocol.Body{hello, protocol.Probed{}}, false, "RC_NO_PED: the PEDserver at 127.0.0.1 port N says: no PED at the PEDserver; plug the PED in", "probe"},
		"not allowed":   {[]protocol.Body{protocol.Error{Code: protocol.LinkErrNotAllowed}}, false, "RC_PEER_REFUSED: the PEDserver at 127.0.0.1 port N says: PEDserver does not serve this host; have", "connect"},
		"hangs up":      {[]protocol.Body{hello, nil}[:1], false, "hung up; it may have too many connections", "hello"},
		"wrong answer":  {[]protocol.Body{hello, protocol.Acquired{}}, false, "link protocol broken; check that the address", "hello"},
		"other version": {[]protocol.Body{protocol.Hello{MinVersion: 2, MaxVersion: 2}}, false, "no common link version; install the same release", "connect"},
		"no identity":   {nil, true, "RC_NO_IDENTITY: this host has no TLS identity; make one with", ""},
	} {
		port, stop := serve(c.answers...)
		r, err := Prober{Timeout: 5 * time.Second}.Probe(t.Context(), Target{Host: "127.0.0.1", Port: port, TLS: c.tls})
		stop()
		last := ""
		if len(r.Steps) > 0 {
			last = r.Steps[len(r.Steps)-1].Name
		}
		text := ""
		if err != nil {
			text = strings.ReplaceAll(err.Error(), " port "+strconv.Itoa(port), " port N")
		}
		if !strings.Contains(text, c.want) || last != c.step || r.Passed {
			t.Errorf("%s: %q after %q, want %q", name, text, last, c.want)
		}
	}
	id := identity(t, "hsm-host")
	_, err := Prober{Identity: id}.Probe(t.Context(), Target{Host: "127.0.0.1", Port: 1, TLS: true})
	if err == nil || !strings.Contains(err.Error(), "RC_NOT_REGISTERED: no PEDserver is registered here; register its certificate") {
		t.Errorf("%v", err)
	}
	_, err = Prober{}.Probe(t.Context(), Target{Host: "127.0.0.1", Port: 1})
	if err == nil || !strings.Contains(err.Error(), "RC_PEER_UNREACHABLE: nobody listens at 127.0.0.1 port 1; start pedserver there") {
		t.Errorf("%v", err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, err = Prober{Timeout: 200 * time.Millisecond}.Probe(t.Context(), Target{Host: "127.0.0.1", Port: silent.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "RC_OPERATION_TIMED_OUT: the PEDserver at ") || !strings.Contains(err.Error(), "does not answer within 200ms") {
		t.Errorf("%v", err)
	}
}
