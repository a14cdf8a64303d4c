package e2e

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"openped/protocol"
	"openped/test/lab"
)

// stranger is a connection to pedserver's port.
type stranger struct {
	net.Conn
	begun time.Time
}

// call connects from 127.0.0.host, where the system lets it: pedserver takes few
// connections from one address.
func call(t *testing.T, l *lab.Lab, host int) *stranger {
	t.Helper()
	to := fmt.Sprintf("127.0.0.1:%d", l.Port)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(host))}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		c, err = net.Dial("tcp", to)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &stranger{c, time.Now()}
}

// dropped waits for pedserver to hang up and returns how long it took, from the
// call.
func (s *stranger) dropped(limit time.Duration) (time.Duration, error) {
	_ = s.SetReadDeadline(s.begun.Add(limit))
	_, err := io.Copy(io.Discard, s)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, fmt.Errorf("still connected after %v", limit)
	}
	return time.Since(s.begun), nil
}

// everyStranger has each of them call from an address of its own.
func everyStranger(t *testing.T, l *lab.Lab) map[string]*stranger {
	t.Helper()
	calls := map[string]*stranger{}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(strangers))) { // who stays awake with the PED comes first
		calls[name] = call(t, l, 2+len(calls))
		strangers[name](calls[name])
	}
	return calls
}

// allDropped wants pedserver to hang up on all, and returns how long each lasted.
func allDropped(t *testing.T, calls map[string]*stranger) map[string]time.Duration {
	t.Helper()
	var mu sync.Mutex
	lasted := map[string]time.Duration{}
	var all sync.WaitGroup
	for name, c := range calls {
		all.Go(func() {
			d, err := c.dropped(dropLimit)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			lasted[name] = d
		})
	}
	all.Wait()
	return lasted
}

// dropLimit: within it every stranger is gone. The relay allows 10 s, which its
// own tests hold by a fake clock; a busy machine needs room.
const dropLimit = 25 * time.Second

var hello = protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "stranger"}

// strangers are ways to be a nuisance on the port.
var strangers = map[string]func(c net.Conn){
	"says nothing":      func(net.Conn) {},
	"garbage":           func(c net.Conn) { b := make([]byte, 8192); rand.Read(b); _, _ = c.Write(b) },
	"an HTTP request":   func(c net.Conn) { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
	"half a frame":      func(c net.Conn) { _, _ = c.Write([]byte{byte(protocol.FrameHello), 0, 0, 0, 0, 0, 0, 40, 1}) },
	"a frame of 4 GB":   func(c net.Conn) { _, _ = c.Write([]byte{byte(protocol.FramePED), 0, 0, 0, 0xff, 0xff, 0xff, 0xff}) },
	"HELLO and no more": func(c net.Conn) { _ = protocol.WriteBody(c, hello) },
	"HELLO, over and over": func(c net.Conn) {
		for range 50 {
			_ = protocol.WriteBody(c, hello)
		}
	},
	"ACQUIRE without HELLO": func(c net.Conn) { _ = protocol.WriteBody(c, protocol.Acquire{HSMSerial: "1"}) },
	"a frame for the PED":   func(c net.Conn) { _ = protocol.WriteBody(c, protocol.PEDFrame{Bytes: make([]byte, 60000)}) },
	"one byte a second": func(c net.Conn) {
		go func() {
			f := protocol.ToFrame(hello)
			for _, b := range append([]byte{byte(f.Type), 0, 0, 0, 0, 0, 0, byte(len(f.Body))}, f.Body...) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
	},
	"wants the PED": func(c net.Conn) {
		_ = protocol.WriteBody(c, hello)
		_ = protocol.WriteBody(c, protocol.Acquire{HSMSerial: "6660000"})
	},
	"wants the PED and stays awake": func(c net.Conn) {
		_ = protocol.WriteBody(c, hello)
		_ = protocol.WriteBody(c, protocol.Acquire{HSMSerial: "6660000"})
		for range 2 { // HELLO, and whether it has the PED
			_, _ = protocol.ReadFrame(c)
		}
		go func() {
			for n := uint32(1); protocol.WriteBody(c, protocol.Ping{Token: n}) == nil; n++ {
				time.Sleep(500 * time.Millisecond)
			}
		}()
	},
	"wants the PED and sends it garbage": func(c net.Conn) {
		_ = protocol.WriteBody(c, hello)
		_ = protocol.WriteBody(c, protocol.Acquire{HSMSerial: "6660000"})
		_ = protocol.WriteBody(c, protocol.PEDFrame{Bytes: []byte("open sesame")})
	},
}

// While an HSM is served, strangers on the port change nothing for it: the login
// goes on, as quickly as without them, and the PED shows its dialogue and nothing
// else. They are all gone after 10 s.
func TestStrangersWhileAnHSMIsServed(t *testing.T) {
	t.Parallel()
	l := ready(t, lab.Options{})
	alone := took(func() { l.Must(login, lab.Everybody()) })
	l.Must("role logout", lab.People{})
	quiet := l.PED().Mark()

	calls := everyStranger(t, l)
	for range 60 { // a flood of half-open ones
		call(t, l, 200)
	}
	for _, s := range l.PED().Since(quiet) {
		if s.ID != "idle" && s.ID != "remote.ready" {
			t.Errorf("the PED showed %s to strangers", s.ID)
		}
	}
	var e lab.Ended
	crowded := took(func() { e = l.Must(login, lab.Everybody()) })
	if crowded > 10*alone+20*time.Second {
		t.Errorf("a login takes %v among strangers, %v without", crowded, alone)
	}
	for _, id := range e.Screens {
		switch id {
		case "login.insert", "login.pin", "login.insert-another", "notice.done", "idle", "remote.ready", "key.insert", "key.pin", "session.compute":
		default:
			t.Errorf("the PED showed %s", id)
		}
	}
	for name, d := range allDropped(t, calls) {
		if strings.HasPrefix(name, "wants the PED") && d > 15*time.Second {
			t.Errorf("%s: told that the PED is busy after %v", name, d)
		}
	}
	l.Must("role logout", lab.People{})
	l.Must(login, lab.Everybody())
}

// While nobody is served, a stranger may have the PED for 10 s and no longer, and
// nobody at the PED is bothered by it; then the HSM connects.
func TestStrangersAtAnIdlePED(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{From: prepared(t)})
	mark := l.PED().Mark()
	lasted := allDropped(t, everyStranger(t, l))
	if d := lasted["wants the PED and stays awake"]; d < 5*time.Second {
		t.Errorf("control: the stranger that should have had the PED was gone after %v", d)
	}
	for _, s := range l.PED().Since(mark) {
		if s.ID != "idle" {
			t.Errorf("the PED showed %s", s.ID)
		}
	}
	l.Must(l.Connect(), lab.People{})
	l.Must(login, lab.Everybody())
}
