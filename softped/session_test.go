package softped

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"openped/certs"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
	"openped/usbped"
)

func TestOrangeSessionAndCache(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.orange("o1", "1234", setA, 1, 1, 1, r.hsm.rpv, false)
		r.begin(channel.ModeRPV, "")
		r.at("key.insert", "SLOT        HSM-1001\nCOMPUTE SESSION KEY.")
		r.still()
		r.insert("o1").press("E").at("key.pin").press("1234E").at("session.compute")
		if a := r.auth(); a.Serial != "PED-1" || a.Firmware != DefaultFirmware {
			t.Errorf("%+v", a)
		}
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		r.at("remote.ready")
		if e := r.state(); e.Busy || len(e.RPKs) != 1 || e.RPKs[0] != r.load("o1").Serial {
			t.Errorf("%+v", e)
		}
		r.tell(&protocol.Info{})
		if i := hear[*protocol.InfoReply](r); i.Serial != "PED-1" || len(i.RPKs) != 1 {
			t.Errorf("%+v", i)
		}
		r.bye()
		r.at("idle")
		// The cached key serves the next session; nobody is asked.
		r.p.Remove()
		r.begin(channel.ModeRPV, "")
		r.at("session.compute")
		r.auth()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		r.at("remote.ready")
		// Another RPV is in force now: the cache is of no use, and is not tried.
		r.bye()
		r.hsm.live = setB
		r.begin(channel.ModeRPV, "")
		r.at("key.insert")
	})
}

// Nothing is shown before the HSM has proved itself and wants something: not
// after Hello, not after HsmProof. Moving startAuth to EvProven makes this fail.
func TestNothingShownToStrangers(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		seq := r.p.Screen().Seq
		r.hello(channel.ModeRPV, "")
		forged, err := r.hsm.u.Reply(r.frame())
		if err != nil {
			t.Fatal(err)
		}
		forged[len(forged)-1] ^= 1
		r.toPED(forged)
		r.wantAlert()
		r.event(protocol.EvtClosed)
		r.prove(channel.ModeRPV, "")
		r.event(protocol.EvtProven)
		time.Sleep(time.Hour)
		stranger := newHSM(t, newOrigin(t), testSerial)
		r.hsm = stranger
		r.hello(channel.ModeRPV, "")
		r.wantAlert()
		r.toPED([]byte("\x01 garbage that says hello"))
		r.wantAlert()
		r.toPED([]byte("\x20 a record of no session"))
		r.still()
		if s := r.p.Screen(); s.Seq != seq {
			t.Error("the LCD changed")
		}
		for _, s := range history(r.p) {
			if s.ID != "idle" {
				t.Errorf("the LCD showed %s", s.ID)
			}
		}
	})
}

func history(p *PED) []Screen { list, _ := p.ui.since(0); return list }

func newOrigin(t *testing.T) *certs.OriginRoot {
	t.Helper()
	o, err := certs.NewOriginRoot("another origin")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A stolen orange key in a PED: the thief's own HSM gets the alert before a PIN
// is asked, and no PedAuth. Taking the list out of readRPVKey makes this fail.
func TestUnlistedHSMGetsNoOrangePIN(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.orange("o1", "1234", setA, 1, 1, 1, r.hsm.rpv, false)
		thief := newHSM(t, r.hsm.origin, "HSM-6666") // certified, and not the key's
		r.hsm = thief
		for _, live := range []protocol.SetID{{}, setA, setB} {
			thief.live = live
			r.begin(channel.ModeRPV, "")
			r.at("key.insert", "HSM-6666").insert("o1").press("E")
			r.at("notice.failed", "Key does not serve")
			r.wantAlert()
		}
		for _, s := range history(r.p) {
			if s.ID == "key.pin" {
				t.Error("a PIN was asked")
			}
		}
	})
}

func TestWrongOrangePIN(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.orange("o1", "1234", setA, 1, 1, 1, r.hsm.rpv, false)
		r.begin(channel.ModeRPV, "")
		r.at("key.insert").insert("o1").press("E").at("key.pin").press("4321E")
		r.auth()
		if err := r.finish(); err == nil {
			t.Fatal("session with a wrong PIN")
		}
		r.at("notice.failed", "Refused by the HSM.")
		if e := r.state(); len(e.RPKs) != 0 || e.Busy {
			t.Errorf("cached: %+v", e)
		}
		r.begin(channel.ModeRPV, "") // same connection, at once
		r.at("key.insert").press("E").at("key.pin").press("1234E")
		r.auth()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOrangeQuorum(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		shares, err := rpv.Split(secret.Copy(r.hsm.rpv), 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"o1", "o2", "o3"} {
			r.orange(name, "1234", setA, uint8(i+1), 2, 3, shares[i].Value.Bytes(), false)
		}
		r.orange("copy1", "", setA, 1, 2, 3, shares[0].Value.Bytes(), false)
		r.orange("old", "", setB, 1, 1, 1, r.hsm.rpv, false)
		r.begin(channel.ModeRPV, "")
		r.at("key.insert").insert("old").press("E").at("notice.wrong-key", "of another keyset.")
		r.insert("o1").press("E").at("key.pin", "Checked after the").press("1234E")
		r.at("key.insert-another", "Keys read: 01 of 02").press("E").at("notice.same-key")
		r.insert("copy1").press("E").at("notice.same-key")
		r.insert("o3").press("E").at("key.pin").press("1234E")
		r.auth()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		if e := r.state(); e.RPKCount() != 2 {
			t.Errorf("%+v", e)
		}
	})
}

// A key with a current and a pending RPV: the HSM's word decides, and what is
// live moves up. Without it the current one is read.
func TestOrangeWithTwoSets(t *testing.T) {
	for _, c := range []struct {
		name        string
		live        protocol.SetID
		pin         string
		cur         protocol.SetID
		wantPending bool
	}{
		{"pending is live", setB, "2222E", setB, false},
		{"current is live", setA, "1111E", setA, true},
		{"HSM silent", protocol.SetID{}, "1111E", setA, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRig(t, nil, func(t *testing.T, r *rig) {
				other := append([]byte(nil), r.hsm.rpv...)
				other[0] ^= 1
				a, b := other, r.hsm.rpv
				if c.pin == "1111E" {
					a, b = b, a
				}
				r.orange("o", "1111", setA, 1, 1, 1, a, false)
				r.orange("o", "2222", setB, 1, 1, 1, b, true)
				r.hsm.live = c.live
				r.begin(channel.ModeRPV, "")
				r.at("key.insert").insert("o").press("E").at("key.pin").press(c.pin)
				r.auth()
				if err := r.finish(); err != nil {
					t.Fatal(err)
				}
				if k := r.load("o"); id(k.Current) != c.cur || (k.Pending != nil) != c.wantPending {
					t.Errorf("current %v pending %v", id(k.Current), id(k.Pending))
				}
			})
		})
	}
}

// An identity of the HSM from before a later start is refused, by any PED that
// has seen the later one and by any key that has.
func TestOldStartCounter(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.session()
		r.bye()
		old := *r.hsm
		r.hsm.restart(t)
		if err := r.p.SetMode(protocol.PEDModeRemote); err != nil { // the key is to see it, not the cache
			t.Fatal(err)
		}
		r.session()
		r.bye()
		now := *r.hsm
		r.hsm = &old
		r.hello(channel.ModeRPV, "")
		r.wantAlert()
		// Another PED, which has seen neither, and the key that has.
		r.unplug()
		r.p.Remove()
		p, err := New(Config{Serial: "PED-2", Keys: r.keys, State: &MemState{}, Roots: r.p.cfg.Roots, Cost: rpv.LightCost()})
		if err != nil {
			t.Fatal(err)
		}
		r.p = p
		r.plug()
		r.begin(channel.ModeRPV, "")
		r.at("key.insert").insert("orange").press("E").at("notice.failed", "HSM shows an old")
		r.wantAlert()
		r.hsm = &now
		r.session()
	})
}

// TestPairWithNewHSM: an HSM without a label is not nameless.
func TestPairWithNewHSM(t *testing.T) {
	noRoots := func(c *Config) { c.Roots, c.Mode = nil, protocol.PEDModePair }
	inRig(t, noRoots, func(t *testing.T, r *rig) {
		r.hsm.label = ""
		r.begin(channel.ModeOTP, "12345678")
		r.at("otp.unverified", "SLOT      UNVERIFIED", "HSM: "+testSerial)
	})
}

func TestPairWithUnknownRoot(t *testing.T) {
	noRoots := func(c *Config) { c.Roots, c.Mode = nil, protocol.PEDModePair }
	inRig(t, noRoots, func(t *testing.T, r *rig) {
		r.begin(channel.ModeOTP, "12345678")
		r.at("otp.unverified", "SLOT      UNVERIFIED", "HSM: factory hsm").press("1234567E").at("otp.unverified", "*******_")
		r.still()
		r.press("8E").at("session.compute")
		r.auth()
		if len(r.p.mem.roots()) != 0 {
			t.Error("root stored before Confirm")
		}
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		r.at("remote.ready", "Pair PED mode")
		if len(r.p.mem.roots()) != 1 {
			t.Error("root not stored after Confirm")
		}
		// The name stays unverified to the end of this session.
		r.tell(authSO).at("login.insert", "SLOT      UNVERIFIED").press("<")
		hear[*protocol.Cancel](r)
		r.bye()
		r.at("idle", "Remote PED mode")
		if e := r.state(); e.Mode != protocol.PEDModeRemote {
			t.Errorf("%+v", e)
		}
		// Pair is over; its root is known.
		r.hello(channel.ModeOTP, "12345678")
		r.wantAlert()
		r.session()
		r.bye()
		if err := r.p.SetMode(protocol.PEDModePair); err != nil {
			t.Fatal(err)
		}
		r.begin(channel.ModeOTP, "12345678")
		r.at("otp.password", "SLOT        HSM-1001")
	})
}

// One password, one try, at the PED as well. Taking disarm out of close makes
// this fail.
func TestPairIsOneTry(t *testing.T) {
	for name, try := range map[string]func(r *rig){
		"wrong password": func(r *rig) {
			r.press("87654321E")
			r.auth()
			if r.finish() == nil {
				r.t.Error("session with a wrong password")
			}
		},
		"given up":  func(r *rig) { r.press("R"); r.frame() },
		"timed out": func(r *rig) { time.Sleep(DefaultActionTime + time.Second); synctest.Wait() },
		"link lost": func(r *rig) { r.cable.up <- usbped.FromHost{Kind: usbped.HostCancel}; synctest.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(c *Config) { c.Roots, c.Mode = nil, protocol.PEDModePair }, func(t *testing.T, r *rig) {
				r.begin(channel.ModeOTP, "12345678")
				r.at("otp.unverified")
				try(r)
				if m := r.p.Mode(); m != protocol.PEDModeRemote {
					t.Errorf("mode %v", m)
				}
				if len(r.p.mem.roots()) != 0 {
					t.Error("root of a failed try stored")
				}
				for r.frame() != nil {
				}
				r.hello(channel.ModeOTP, "12345678")
				r.wantAlert()
			})
		})
	}
}

func TestModesServe(t *testing.T) {
	for mode, serves := range map[protocol.PEDMode]channel.Mode{
		protocol.PEDModeRemote: channel.ModeRPV, protocol.PEDModeLocal: channel.ModeLocal, protocol.PEDModePair: channel.ModeOTP,
	} {
		inRig(t, func(c *Config) { c.Mode = mode }, func(t *testing.T, r *rig) {
			for m, pw := range map[channel.Mode]string{channel.ModeRPV: "", channel.ModeLocal: "", channel.ModeOTP: "12345678"} {
				r.hello(m, pw)
				if refused := channel.IsAlert(r.frame()); refused == (m == serves) {
					t.Errorf("%v: mode %v refused: %v", mode, m, refused)
				}
			}
			r.press("<").at("menu")
			if e := r.state(); e.Mode != protocol.PEDModeAdmin {
				t.Errorf("%+v", e)
			}
			r.hello(serves, map[bool]string{true: "12345678"}[serves == channel.ModeOTP])
			r.wantAlert()
			r.at("menu")
		})
	}
}

func TestLocalModeAsksNobody(t *testing.T) {
	inRig(t, func(c *Config) { c.Mode = protocol.PEDModeLocal }, func(t *testing.T, r *rig) {
		r.begin(channel.ModeLocal, "")
		r.at("session.compute")
		r.auth()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		r.at("remote.ready", "Local PED mode")
	})
}

// F-06: "<" warns that the orange key is invalidated where there is none to be.
// Here it warns only of one that is cached, which in Local there never is.
func TestF06LocalModeWarnsOfNothing(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.session()
		r.press("<").at("menu.exit-warning").press("Y").at("menu")
		r.frame() // the end of the session
		r.press("0").at("idle", "Local PED mode")
		if e := r.state(); len(e.RPKs) != 0 || e.Mode != protocol.PEDModeLocal {
			t.Errorf("choosing Local keeps the orange key: %+v", e)
		}
		r.begin(channel.ModeLocal, "")
		r.auth()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		r.at("remote.ready", "Local PED mode").press("<").at("menu")
	})
}

// Signs of life come every five seconds of a dialogue, typed or not.
func TestActivity(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.make("blue1", protocol.KeySO, setC, 1, 1, 1, "12345678", false)
		r.session()
		time.Sleep(time.Minute)
		r.still() // nothing runs
		count := func(d time.Duration, keys string) (n int) {
			for _, k := range keys {
				time.Sleep(d / time.Duration(len(keys)))
				r.press(string(k))
			}
			synctest.Wait()
			for b := r.frame(); b != nil; b = r.frame() {
				if kind, _, err := r.hsm.s.Open(b); err != nil || kind != channel.KindActivity {
					t.Fatalf("kind %v, %v", kind, err)
				}
				n++
			}
			return n
		}
		r.tell(authSO).at("login.insert")
		if a, b := count(30*time.Second, "55"), count(30*time.Second, "555555555555555555555555555555"); a != 6 || b != 6 {
			t.Errorf("%d and %d signs of life in 30 s, want 6", a, b)
		}
		r.press("<")
		hear[*protocol.Cancel](r)
		time.Sleep(time.Minute)
		r.still()
		// In the handshake's dialogue too.
		r.bye()
		if err := r.p.SetMode(protocol.PEDModeRemote); err != nil { // drops the cached key
			t.Fatal(err)
		}
		r.begin(channel.ModeRPV, "")
		r.at("key.insert")
		time.Sleep(16 * time.Second)
		for range 3 {
			if ev, err := r.hsm.u.Receive(r.frame()); err != nil || ev != channel.UActivity {
				t.Fatalf("%v %v", ev, err)
			}
		}
		r.still()
	})
}

func TestSessionDialogueCancelled(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		for what, want := range map[string]protocol.CancelReason{"<": protocol.CancelOperator, "R": protocol.CancelOperator, "": protocol.CancelTimeout} {
			r.begin(channel.ModeRPV, "")
			r.at("key.insert").press(what)
			if what == "" {
				time.Sleep(DefaultActionTime + time.Second)
			}
			var err error
			for b := r.frame(); b != nil && err == nil; b = r.frame() {
				_, err = r.hsm.u.Receive(b)
			}
			if c, ok := errors.AsType[*channel.CancelledError](err); !ok || protocol.CancelReason(c.Reason) != want {
				t.Fatalf("%q: HSM got %v", what, err)
			}
		}
	})
}

func TestConfirmNeverComes(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.orange("o1", "", setA, 1, 1, 1, r.hsm.rpv, false)
		r.begin(channel.ModeRPV, "")
		r.at("key.insert").insert("o1").press("E").at("session.compute")
		r.auth()
		time.Sleep(75 * time.Second) // the HSM may slow failed handshakes down
		r.at("session.compute")
		r.still()
		time.Sleep(16 * time.Second)
		r.at("notice.failed", "No answer from HSM.")
		r.wantAlert()
	})
}
