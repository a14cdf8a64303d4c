package bind

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"openped/internal/cmdline"
	"openped/internal/rc"
)

// asError returns the error with its code, which every error of Listen is.
func asError(t *testing.T, err error) *cmdline.ExitError {
	t.Helper()
	var ee *cmdline.ExitError
	if !errors.As(err, &ee) {
		t.Fatalf("%v has no code", err)
	}
	return ee
}

func open(t *testing.T, o Options) *Set {
	t.Helper()
	s, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// answers reports whether a connection to addr arrives at s.
func answers(t *testing.T, s *Set, addr string) bool {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	got, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	return got.RemoteAddr().String() == c.LocalAddr().String()
}

func has(a netip.Addr) bool { return here(a) }

func TestLoopbackOnly(t *testing.T) {
	s := open(t, Options{})
	for _, a := range loopback {
		if has(a) && !answers(t, s, netip.AddrPortFrom(a, uint16(s.Port())).String()) {
			t.Errorf("no answer at %s", a)
		}
	}
	for _, a := range s.Addrs() {
		if a.Scope != "loopback" || a.State != Listening {
			t.Errorf("%+v", a)
		}
	}
	if r := s.Reachable(t.Context()); len(r) != 0 {
		t.Errorf("others can reach %v", r)
	}
}

func TestEverywhere(t *testing.T) {
	s := open(t, Options{External: true})
	var want []string
	for _, a := range ownAddrs() {
		if a.Is4() || !a.IsLinkLocalUnicast() {
			want = append(want, netip.AddrPortFrom(a, uint16(s.Port())).String())
		}
	}
	got := map[string]bool{}
	for _, a := range s.Addrs() {
		got[a.Address] = true
	}
	for _, a := range want {
		if !got[a] {
			t.Errorf("%s is not told", a)
		}
		if !answers(t, s, a) {
			t.Errorf("no answer at %s", a)
		}
	}
	for _, r := range s.Reachable(t.Context()) {
		if !r.OK {
			t.Errorf("%+v", r)
		}
	}
	// The self-test is nobody's connection.
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := s.Accept(); err != nil || got.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("%v %v", got, err)
	}
}

func TestOneFamily(t *testing.T) {
	s := open(t, Options{IPs: []string{"0.0.0.0"}, External: true})
	if !answers(t, s, fmt.Sprintf("127.0.0.1:%d", s.Port())) {
		t.Error("no answer")
	}
	for _, a := range s.Addrs() {
		if strings.HasPrefix(a.Address, "[") {
			t.Errorf("%+v", a)
		}
	}
	if c, err := net.Dial("tcp", fmt.Sprintf("[::1]:%d", s.Port())); err == nil {
		c.Close()
		t.Error("IPv6 is answered")
	}
}

func TestRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for _, c := range []struct {
		name string
		o    Options
		code rc.Code
		want []string
	}{
		{"taken", Options{Port: port, IPs: []string{"127.0.0.1"}, PortFlag: "listenport"}, rc.PortInUse, []string{fmt.Sprintf("port %d of 127.0.0.1 is in use by ", port), "-listenport"}},
		{"taken on all", Options{Port: port, External: true}, rc.PortInUse, []string{fmt.Sprintf("port %d is in use by ", port), "-port"}},
		{"not here", Options{IPs: []string{"192.0.2.7"}, External: true}, rc.AddressNotHere, []string{"192.0.2.7 is not an address of this host", "this host has 127.0.0.1", "-waitaddress"}},
		{"neither", Options{IPs: []string{"192.0.2.7", "192.0.2.8"}, External: true}, rc.AddressNotHere, []string{"192.0.2.7, 192.0.2.8 are not addresses"}},
		{"no address", Options{IPs: []string{"123.321.123.321"}, External: true, IPFlag: "listenip"}, rc.BadConfig, []string{"-listenip 123.321.123.321 is not an IP address"}},
		{"outside", Options{IPs: []string{"192.0.2.7"}}, rc.BadConfig, []string{"this host's programs only"}},
		{"no interface", Options{IPs: []string{"fe80::1"}, External: true}, rc.BadConfig, []string{"of which interface"}},
	} {
		s, err := Listen(t.Context(), c.o)
		if err == nil {
			s.Close()
			t.Errorf("%s: listens", c.name)
			continue
		}
		ee := asError(t, err)
		if ee.RC != c.code {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, w := range c.want {
			if w == "this host has 127.0.0.1" {
				w = "this host has "
			}
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v lacks %q", c.name, err, w)
			}
		}
	}
}

// TestOthersGoOn: one address that is not here does not keep the others from
// listening.
func TestOthersGoOn(t *testing.T) {
	s := open(t, Options{IPs: []string{"127.0.0.1", "192.0.2.7", "127.0.0.1"}, External: true})
	if !answers(t, s, fmt.Sprintf("127.0.0.1:%d", s.Port())) {
		t.Error("no answer")
	}
	a := s.Addrs()
	if len(a) != 2 || a[0].State != Listening || a[1].State != Waiting || a[1].Problem == "" {
		t.Errorf("%+v", a)
	}
	w := open(t, Options{IPs: []string{"192.0.2.7"}, External: true, Wait: true, Port: 1})
	if a := w.Addrs(); len(a) != 1 || a[0].State != Waiting || w.Addr().String() != "192.0.2.7:1" {
		t.Errorf("%+v %v", a, w.Addr())
	}
}

func TestClose(t *testing.T) {
	s := open(t, Options{})
	done := make(chan error, 1)
	go func() { _, err := s.Accept(); done <- err }()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
	if l, err := net.Listen("tcp", s.Addr().String()); err != nil {
		t.Errorf("the port is still taken: %v", err)
	} else {
		l.Close()
	}
}

func TestScope(t *testing.T) {
	for a, want := range map[string]scope{
		"127.0.0.1": onlyHere, "::1": onlyHere, "10.1.2.3": private, "fd00::1": private, "169.254.1.1": linkLocal, "fe80::1": linkLocal,
		"8.8.8.8": global, "2001:db8::1": global,
	} {
		if got := scopeOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
}

// TestWildcardTakes: what a listener is said to listen on.
func TestWildcardTakes(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::1")
	s := open(t, Options{External: true})
	dual := s.spots[0]
	if !dual.takes(v4) {
		t.Error("IPv4")
	}
	if has(netip.IPv6Loopback()) && !dual.takes(v6) {
		t.Error("IPv6")
	}
	if p := (&spot{addr: netip.IPv4Unspecified()}); !p.takes(v4) || p.takes(v6) {
		t.Error("0.0.0.0")
	}
}
