package bind

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestHolder: this test has the port.
func TestHolder(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Logf("not on this host: %v", err)
			continue
		}
		defer l.Close()
		at := addrOf(l)
		want := fmt.Sprintf("(process %d)", os.Getpid())
		for _, a := range []netip.Addr{{}, at.Addr()} {
			if got := holder(t.Context(), a, int(at.Port())); !strings.HasSuffix(got, want) {
				t.Errorf("%s for %v: %q", addr, a, got)
			}
		}
		if got := holder(t.Context(), netip.MustParseAddr("192.0.2.7"), int(at.Port())); got != "another program" {
			t.Errorf("another address: %q", got)
		}
	}
}

func TestParseEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:05DF":                         "127.0.0.1:1503",
		"00000000:0050":                         "0.0.0.0:80",
		"00000000000000000000000001000000:05DF": "[::1]:1503",
		"0100007F:":                             "",
		"0100007F05DF":                          "",
		"01000:05DF":                            "",
		"zz00007F:05DF":                         "",
	} {
		got, ok := parseEndpoint(text)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v %v", text, got, ok)
		}
	}
}

// log collects records.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// inNetwork runs the test again in a network of its own, and reports whether this
// is that run.
func inNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv("BIND_TEST_NETWORK") == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("only root can make a network")
		}
		t.Skip("only root can make a network")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "BIND_TEST_NETWORK="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

func becomes(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never %s", what)
		}
	}
}

// TestAddressComesAndGoes: what a VPN does.
func TestAddressComesAndGoes(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	const vpn = "10.99.0.1"
	ip(t, "link", "set", "lo", "up")
	l := new(log)
	s := open(t, Options{IPs: []string{vpn}, External: true, Wait: true, Port: 1503, Log: slog.New(slog.NewTextHandler(l, nil))})
	all := open(t, Options{External: true, Port: 1504})
	state := func(s *Set, addr string) string {
		for _, a := range s.Addrs() {
			if strings.HasPrefix(a.Address, addr+":") {
				return a.State
			}
		}
		return ""
	}
	if got := state(s, vpn); got != Waiting {
		t.Fatalf("%q", got)
	}
	for range 2 {
		ip(t, "addr", "add", vpn+"/32", "dev", "lo")
		becomes(t, "listening", func() bool { return state(s, vpn) == Listening })
		if state(all, vpn) != Listening {
			t.Error("the new address is not told where all are listened on")
		}
		if !answers(t, s, vpn+":1503") || !answers(t, all, vpn+":1504") {
			t.Error("no answer")
		}
		ip(t, "addr", "del", vpn+"/32", "dev", "lo")
		becomes(t, "waiting", func() bool { return state(s, vpn) == Waiting })
		if got := state(all, vpn); got != "" {
			t.Errorf("an address that is gone is told: %s", got)
		}
	}
	if !l.has("went away") || !l.has("listening") {
		t.Error("not logged")
	}
	// It comes back, but the port is somebody else's by then.
	other, err := net.Listen("tcp", "0.0.0.0:1503")
	if err != nil {
		t.Fatal(err)
	}
	ip(t, "addr", "add", vpn+"/32", "dev", "lo")
	becomes(t, "told", func() bool { return l.has("in use by") })
	other.Close()
	becomes(t, "listening", func() bool { return state(s, vpn) == Listening })
}

// TestOneFamilyHosts: hosts without IPv6 and without IPv4 addresses.
func TestOneFamilyHosts(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	ip(t, "link", "set", "lo", "up")
	ip(t, "addr", "del", "127.0.0.1/8", "dev", "lo")
	s := open(t, Options{External: true, Port: 1503})
	if !answers(t, s, "[::1]:1503") {
		t.Error("IPv6 only: no answer")
	}
	s.Close()
	s = open(t, Options{Port: 1503})
	if a := s.Addrs(); len(a) != 1 || !answers(t, s, "[::1]:1503") {
		t.Errorf("IPv6 only, loopback: %+v", a)
	}
	s.Close()
	ip(t, "addr", "add", "127.0.0.1/8", "dev", "lo")
	ip(t, "addr", "del", "::1/128", "dev", "lo")
	s = open(t, Options{External: true, Port: 1503})
	if !answers(t, s, "127.0.0.1:1503") {
		t.Error("IPv4 only: no answer")
	}
	s.Close()
	s = open(t, Options{Port: 1503})
	if a := s.Addrs(); len(a) != 1 || !answers(t, s, "127.0.0.1:1503") {
		t.Errorf("IPv4 only, loopback: %+v", a)
	}
}

// TestFirewall: the self-test tells what a firewall does to others.
func TestFirewall(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	ip(t, "link", "set", "lo", "up")
	ip(t, "addr", "add", "10.99.0.1/32", "dev", "lo")
	ip(t, "addr", "add", "10.99.0.2/32", "dev", "lo")
	s := open(t, Options{External: true, Port: 1503})
	// The port of one address is another program's: what a firewall looks like to
	// a test that can not set one up everywhere.
	if err := s.spots[0].l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Reachable(t.Context()) {
		if r.OK || r.Problem == "" {
			t.Errorf("closed: %+v", r)
		}
	}
	s = open(t, Options{IPs: []string{"10.99.0.1"}, External: true, Port: 1505})
	other, err := net.Listen("tcp", "10.99.0.2:1505")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if r := s.Reachable(t.Context()); len(r) != 1 || !r[0].OK {
		t.Errorf("%+v", r)
	}
	if err := s.tests.try(t.Context(), "10.99.0.2:1505"); err == nil {
		t.Error("another program's answer was taken for ours")
	}
}
