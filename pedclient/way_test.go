package pedclient

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm"
	"openped/protocol/hsmapi"
)

// TestWhichWay: what `ped connect` uses, in which order.
func TestWhichWay(t *testing.T) {
	b := newTLSBench(t)
	lab, desk := identity(t, "lab-7"), identity(t, "desk-1")
	s := b.c.slots[0]
	mine := PEDID{ID: 7, Host: "mine", Port: 1600, HSMSerial: "7000001"}
	other := PEDID{ID: 8, Host: "other", Port: 1601, TLS: true, HSMSerial: "9"}
	nobodys := PEDID{ID: 9, Host: "nobodys", Port: 1602, TLS: true}
	f := func() hsmapi.Fields { return slot1() }
	ask := func(what string, in hsmapi.Fields, want way, refused string) {
		t.Helper()
		w, err := (&call{slot: s, in: in}).way()
		text := ""
		var api *hsmapi.Error
		var he *hsm.Error
		switch {
		case errors.As(err, &api):
			text = api.Msg + "; " + api.Hint
		case errors.As(err, &he):
			text = he.Msg + "; " + he.Hint
		}
		if (err != nil) != (refused != "") || !strings.Contains(text, refused) || err == nil && w != want {
			t.Errorf("%s: %+v %q, want %+v %q", what, w, text, want, refused)
		}
	}
	host := func(h string) hsmapi.Fields { return f().AddText(hsmapi.TagHost, h) }
	id := func(n uint32) hsmapi.Fields { return f().AddU32(hsmapi.TagPEDID, n) }
	server := func(n string) hsmapi.Fields { return f().AddText(hsmapi.TagPEDServer, n) }
	over := func(name string) way { return way{Target: Target{PEDServer: name, TLS: true}, parked: true} }

	ask("nothing there", f(), way{}, "none is stored for this slot; give -ip")
	b.register("lab-7", lab)
	ask("registered", f(), way{}, "no registered one has called; give -ip")
	b.arrive("lab-7", lab)
	ask("the only one that has called", f(), over("lab-7"), "")
	ask("a port for it", f().AddU32(hsmapi.TagPort, 5), way{}, "PEDserver lab-7 has called by itself")
	b.register("desk-1", desk)
	b.arrive("desk-1", desk)
	ask("two have called", f(), way{}, "several PEDservers have called: desk-1, lab-7; choose one with -pedserver")
	ask("one of two", server("desk-1"), over("desk-1"), "")
	ask("nobody", server("nobody"), way{}, "no PEDserver nobody is registered here")
	if err := s.settings.set(Target{Host: "stored", Port: 1599, TLS: true}); err != nil {
		t.Fatal(err)
	}
	ask("stored", f(), way{Target: Target{Host: "stored", Port: 1599, TLS: true}}, "")
	ask("stored, another port", f().AddU32(hsmapi.TagPort, 5), way{Target: Target{Host: "stored", Port: 5, TLS: true}}, "")
	b.ids.Store(&IDMap{ids: []PEDID{mine, other, nobodys}})
	ask("assigned", f(), way{Target: Target{Host: "mine", Port: 1600}, id: 7}, "")
	ask("assigned, with TLS", f().AddBool(hsmapi.TagTLS, true), way{Target: Target{Host: "mine", Port: 1600, TLS: true}, id: 7}, "")
	ask("by ID", id(9), way{Target: Target{Host: "nobodys", Port: 1602, TLS: true}, id: 9}, "")
	ask("by ID, and whom", append(id(9), server("lab-7")[1:]...), way{Target: Target{Host: "nobodys", Port: 1602, TLS: true, PEDServer: "lab-7"}, id: 9}, "")
	ask("another's ID", id(8), way{}, "PED ID 8 is assigned to HSM 9; use the one of this HSM")
	ask("no such ID", id(10), way{}, "there is no PED ID 10")
	ask("ID 0", id(0), way{}, "0 stands for a PED at the HSM itself")
	ask("ID and address", append(id(9), host("h")[1:]...), way{}, "-id and -ip name two PEDservers")
	ask("address", host("h"), way{Target: Target{Host: "h", Port: 1503}}, "")
	ask("address and whom", append(host("h"), server("lab-7")[1:]...), way{Target: Target{Host: "h", Port: 1503, TLS: true, PEDServer: "lab-7"}}, "")
	ask("no address", host("a b"), way{}, "is neither an IP address nor a host name")
	ask("port 70000", host("h").AddU32(hsmapi.TagPort, 70000), way{}, "port 70000 is outside")
}

// TestLaterWish: a loss that is noticed after somebody has said that he wants
// something else brings nothing back.
func TestLaterWish(t *testing.T) {
	b := newTLSBench(t)
	b.bootstrap().leave()
	s := b.c.slots[0]
	if err := s.disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := way{Target: Target{PEDServer: "lab-7", TLS: true}, parked: true}
	cause := unplugged("x", "y", lost{errReplaced})
	s.lost(w, s.wishes-1, cause)
	if s.regaining() != "" {
		t.Error("waits against somebody's wish")
	}
	s.lost(w, s.wishes, cause)
	if s.regaining() != "lab-7" {
		t.Error("does not wait")
	}
	begin := time.Now()
	b.c.Close() // does not wait for it
	if time.Since(begin) > 10*time.Second {
		t.Error("the end waits for a link to come back")
	}
	s.lost(w, s.wishes, cause)
	if s.regaining() != "" {
		t.Error("waits after the end")
	}
}

// TestFlapping: a PEDserver that calls and hangs up all the time does not fill
// the audit log.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(slot)
		for i, want := range []time.Duration{0, 1, 2, 4, 8, 16, 30, 30} {
			if got := s.flapping(); got != want*time.Second {
				t.Errorf("time %d: %v, want %d s", i, got, want)
			}
			time.Sleep(want * time.Second)
			s.back = time.Now()
			time.Sleep(time.Second)
		}
		time.Sleep(regainCalm)
		if got := s.flapping(); got != 0 {
			t.Errorf("a PED that stayed: %v", got)
		}
	})
}
