package softped

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"openped/internal/atomicfile"
	"openped/protocol"
	"openped/rpv"
)

// wantShare checks a Share message against what the key holds under its PIN.
func (b *bench) wantShare(op protocol.Op, set protocol.SetID, index uint8) *protocol.Share {
	b.t.Helper()
	m := get[*protocol.Share](b)
	want := append(labelled(label(op, protocol.RoleSO, set, index), true), share(set, index)...)
	if m.Set != set || m.Index != index || !bytes.Equal(m.Wrapped, want) {
		b.t.Fatalf("share of set %v index %d differs", m.Set, m.Index)
	}
	return m
}

func TestLoginQuorum(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		k1 := b.make("blue1", protocol.KeySO, setA, 1, 2, 3, "1234", false)
		b.make("blue2", protocol.KeySO, setA, 2, 2, 3, "", false)
		b.start(authSO)
		b.at("login.insert", "SLOT        HSM-1001\nSO LOGIN...\nInsert a\nSO / HSM Admin").insert("blue1").quiet().press("E")
		kp := get[*protocol.KeyPresented](b)
		if kp.Key != k1.Serial || kp.Current != setA || !kp.Pending.IsZero() || kp.Index != 1 || kp.M != 2 || kp.N != 3 || kp.RPKPub != nil {
			t.Fatalf("%+v", kp)
		}
		b.send(use(protocol.UseCurrent, protocol.ReasonNone)).at("login.pin", "Checked after the")
		b.press("12").at("login.pin", "**").quiet().press("34E").wantShare(protocol.OpAuthenticate, setA, 1)
		b.send(result(protocol.ShareMore, 1, 2)).at("login.insert-another", "Keys read: 01 of 02")
		b.insert("blue2").press("E")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseCurrent, protocol.ReasonNone)).wantShare(protocol.OpAuthenticate, setA, 2)
		b.send(result(protocol.ShareDone, 2, 2)).overOK()
		b.at("notice.done")
		if got := b.load("blue1").Current.Counters[b.peer.IssuingFP]; got != 5 {
			t.Errorf("key keeps start counter %d, want 5", got)
		}
	})
}

func TestLoginNotices(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.make("blue1", protocol.KeySO, setA, 1, 2, 2, "1234", false)
		b.make("red", protocol.KeyDomain, setB, 1, 1, 1, "", false)
		b.blank("blank")
		b.start(authSO)
		b.at("login.insert").press("E").at("notice.no-key")
		b.insert("blank").press("E").at("notice.wrong-key", "blank.")
		b.insert("red").press("E").at("notice.wrong-key", "for Domain.", "PED Key (BLUE)")
		b.quiet() // no notice reaches the HSM
		b.insert("blue1").press("E")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseCurrent, protocol.ReasonNone)).at("login.pin").press("1234E")
		b.wantShare(protocol.OpAuthenticate, setA, 1)
		b.send(result(protocol.ShareMore, 1, 2)).at("login.insert-another").press("E")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseRefuse, protocol.ReasonSameKey)).at("notice.same-key").press("E")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseRefuse, protocol.ReasonUnknownSet)).at("notice.wrong-key", "of another keyset.").press("E")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseCurrent, protocol.ReasonNone)).at("login.pin").press("1234E")
		b.wantShare(protocol.OpAuthenticate, setA, 1)
		b.send(result(protocol.ShareSame, 1, 2)).at("notice.same-key")
		b.press("<").stopped(protocol.CancelOperator)
		b.at("notice.failed", "Cancelled.")
	})
}

func TestLoginFailed(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.make("blue1", protocol.KeySO, setA, 1, 1, 1, "1234", false)
		last := *authSO
		last.LastTry = true
		b.start(&last)
		b.at("login.insert", "LAST ATTEMPT!").insert("blue1").press("E")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseCurrent, protocol.ReasonNone)).at("login.pin", "LAST ATTEMPT!").press("4321E")
		if m := get[*protocol.Share](b); bytes.Contains(m.Wrapped, share(setA, 1)) {
			t.Error("a wrong PIN gave the share")
		}
		b.send(result(protocol.ShareFailed, 1, 1)).send(&protocol.End{Ceremony: ceremony, Result: protocol.EndFailed})
		if err := b.over(); err == nil || !asStop(err).fromHSM {
			t.Fatal(err)
		}
		b.at("notice.failed", "Wrong key or PIN.")
	})
}

// A custodian is asked before anything goes to an HSM that the key does not
// list. Taking welcome's question out makes this fail.
func TestForeignHSMNeedsYes(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.make("blue1", protocol.KeySO, setA, 1, 1, 1, "1234", false, rpv.Fingerprint{99})
		b.start(authSO)
		b.at("login.insert").insert("blue1").press("E").at("login.foreign", "HSM-1001").quiet()
		b.press("N").stopped(protocol.CancelRefused)
		b.quiet()
		b.start(authSO)
		b.at("login.insert").press("E").at("login.foreign").press("Y")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseCurrent, protocol.ReasonUnknownSet)).at("login.pin").press("1234E")
		b.wantShare(protocol.OpAuthenticate, setA, 1)
		b.send(result(protocol.ShareDone, 1, 1)).overOK()
		if b.load("blue1").Current.Lists(b.peer.IssuingFP) {
			t.Error("a login put the HSM on the key's list")
		}
	})
}

// The list is of each set: one set of a key may let the HSM in, and the HSM then
// choose the other one. Asking only before KeyPresented makes this fail.
func TestForeignSetNeedsYes(t *testing.T) {
	ours, theirs := rpv.Fingerprint{1}, rpv.Fingerprint{99}
	for _, c := range []struct {
		name      string
		cur, pend rpv.Fingerprint
		use       *protocol.UseSet
		pin       string
		read      protocol.SetID
	}{
		{"current", theirs, ours, use(protocol.UseCurrent, protocol.ReasonUnknownSet), "1111E", setA},
		{"pending", ours, theirs, use(protocol.UsePending, protocol.ReasonUnknownSet), "2222E", setB},
		{"pending, said to be live", ours, theirs, use(protocol.UsePending, protocol.ReasonNone), "2222E", setB},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.make("k", protocol.KeySO, setA, 1, 1, 1, "1111", false, c.cur)
				b.make("k", protocol.KeySO, setB, 1, 1, 1, "2222", true, c.pend)
				for _, answer := range "NY" {
					b.start(authSO)
					b.at("login.insert").insert("k").press("E")
					get[*protocol.KeyPresented](b)
					b.send(c.use).at("login.foreign", "HSM-1001").quiet().press(string(answer))
					if answer == 'N' {
						b.stopped(protocol.CancelRefused)
						b.quiet()
					}
				}
				b.at("login.pin").press(c.pin).wantShare(protocol.OpAuthenticate, c.read, 1)
				b.stop(stopLost)
				_ = b.over()
				if k := b.load("k"); id(k.Current) != setA || id(k.Pending) != setB {
					t.Error("the key was changed")
				}
			})
		})
	}
}

// No share of an RPV leaves the PED: it is joined there.
func TestNoOrangeShareInALogin(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.start(&protocol.Authenticate{Ceremony: ceremony, Role: protocol.RoleSO, KeyType: protocol.KeyRPK, TimeoutSec: 100})
		b.stopped(protocol.CancelProtocol)
		b.quiet()
	})
}

// An HSM identity from before a later start is refused before the HSM hears of
// the key. Taking checkCounter out of welcome makes this fail.
func TestOldStartCounterOnKey(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		k := b.make("blue1", protocol.KeySO, setA, 1, 1, 1, "", false)
		if err := k.CheckCounter(b.peer.IssuingFP, 6); err != nil {
			t.Fatal(err)
		}
		if err := b.keys.Save("blue1", k); err != nil {
			t.Fatal(err)
		}
		b.start(authSO)
		b.at("login.insert").insert("blue1").press("E")
		b.stopped(protocol.CancelRefused)
		b.quiet()
		b.at("notice.failed", "HSM shows an old")
	})
}

func TestUseSetSettlesTheKey(t *testing.T) {
	const none, unknown = protocol.ReasonNone, protocol.ReasonUnknownSet
	ours, theirs := rpv.Fingerprint{1}, rpv.Fingerprint{99}
	for _, c := range []struct {
		name                string
		cur, pend           protocol.SetID
		pendIssuer          rpv.Fingerprint
		use                 *protocol.UseSet
		read                protocol.SetID
		afterCur, afterPend protocol.SetID
		wantStop, wantAsked bool
	}{
		{name: "pending is live", cur: setA, pend: setB, pendIssuer: ours, use: use(protocol.UsePending, none), read: setB, afterCur: setB},
		{name: "only pending, live", pend: setB, pendIssuer: ours, use: use(protocol.UsePending, none), read: setB, afterCur: setB},
		{name: "current is live", cur: setA, pend: setB, pendIssuer: ours, use: use(protocol.UseCurrent, none), read: setA, afterCur: setA},
		{name: "neither is live", cur: setA, pend: setB, pendIssuer: ours, use: use(protocol.UseCurrent, unknown), read: setA, afterCur: setA, afterPend: setB},
		{name: "only pending, unknown", pend: setB, pendIssuer: ours, use: use(protocol.UsePending, unknown), read: setB, afterPend: setB},
		{name: "another HSM's pending is not promoted", cur: setA, pend: setB, pendIssuer: theirs, use: use(protocol.UsePending, none), read: setB, afterCur: setA, afterPend: setB, wantAsked: true},
		{name: "another HSM's pending is not erased", cur: setA, pend: setB, pendIssuer: theirs, use: use(protocol.UseCurrent, none), read: setA, afterCur: setA, afterPend: setB},
		{name: "HSM wants what is not there", cur: setA, use: use(protocol.UsePending, none), afterCur: setA, wantStop: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				if !c.cur.IsZero() {
					b.make("k", protocol.KeySO, c.cur, 1, 1, 1, "1111", false)
				}
				if !c.pend.IsZero() {
					b.make("k", protocol.KeySO, c.pend, 1, 1, 1, "2222", true, c.pendIssuer)
				}
				b.start(authSO)
				b.at("login.insert").insert("k").press("E")
				if b.p.Screen().ID == "login.foreign" {
					b.press("Y")
				}
				kp := get[*protocol.KeyPresented](b)
				if kp.Current != c.cur || kp.Pending != c.pend {
					t.Fatalf("presented %v %v", kp.Current, kp.Pending)
				}
				b.send(c.use)
				if c.wantStop {
					b.stopped(protocol.CancelProtocol)
				} else {
					if c.wantAsked {
						b.at("login.foreign").press("Y")
					}
					// Durable before the PIN is asked.
					b.at("login.pin")
					k := b.load("k")
					for what, pair := range map[string][2]protocol.SetID{"current": {id(k.Current), c.afterCur}, "pending": {id(k.Pending), c.afterPend}} {
						if pair[0] != pair[1] {
							t.Errorf("%s is %v, want %v", what, pair[0], pair[1])
						}
					}
					pin := "1111E"
					if c.read == setB {
						pin = "2222E"
					}
					b.press(pin).wantShare(protocol.OpAuthenticate, c.read, 1)
					b.press("<")
					b.stop(stopLost)
					_ = b.over()
				}
			})
		})
	}
}

func id(s *rpv.Set) protocol.SetID {
	if s == nil {
		return protocol.SetID{}
	}
	return s.ID
}

// A key pulled while its PIN is typed has to come back; the HSM waits.
func TestKeyPulledDuringPIN(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.make("blue1", protocol.KeySO, setA, 1, 1, 1, "1234", false)
		b.make("blue2", protocol.KeySO, setA, 1, 1, 1, "1234", false)
		b.start(authSO)
		b.at("login.insert").insert("blue1").press("E")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseCurrent, protocol.ReasonNone)).at("login.pin").press("12")
		b.p.Remove()
		b.press("34E").at("notice.key-fault", "PED Key was removed.").quiet()
		b.insert("blue2").press("E").at("notice.wrong-key", "not the one before.")
		b.insert("blue1").press("E").at("login.pin").press("1234E")
		b.wantShare(protocol.OpAuthenticate, setA, 1)
		b.send(result(protocol.ShareDone, 1, 1)).overOK()
	})
}

func TestTimeoutRestartsOnEveryAction(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.make("blue1", protocol.KeySO, setA, 1, 1, 1, "1234", false)
		b.start(&protocol.Authenticate{Ceremony: ceremony, Role: protocol.RoleSO, KeyType: protocol.KeySO, TimeoutSec: 100})
		line8 := func(want string) {
			t.Helper()
			b.at("login.insert")
			if got := b.p.Screen().Lines[7]; got != want {
				t.Fatalf("line 8 %q, want %q", got, want)
			}
		}
		line8("SOFTWARE PED     100")
		time.Sleep(10*time.Second + time.Millisecond)
		line8("SOFTWARE PED      90")
		time.Sleep(85 * time.Second)
		b.insert("blue1") // an insertion counts
		time.Sleep(99 * time.Second)
		b.press("5") // so does a key that means nothing here
		time.Sleep(99 * time.Second)
		line8("SOFTWARE PED       1")
		time.Sleep(2 * time.Second)
		b.stopped(protocol.CancelTimeout)
		b.at("notice.timeout")
	})
}

// TestRhythm: key presses alone make no traffic. The signs of life come from a
// clock of their own (TestActivity).
func TestRhythm(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.make("blue1", protocol.KeySO, setA, 1, 1, 1, "12345678", false)
		b.start(authSO)
		b.at("login.insert").insert("blue1").press("E")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseCurrent, protocol.ReasonNone)).at("login.pin")
		for _, k := range "1234<<C12345678" {
			b.press(string(k)).quiet()
			time.Sleep(time.Second)
		}
		b.press("E").wantShare(protocol.OpAuthenticate, setA, 1)
		b.stop(stopLost)
		_ = b.over()
	})
}

func TestHSMSilentOrWrong(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.make("blue1", protocol.KeySO, setA, 1, 1, 1, "", false)
		b.start(authSO)
		b.at("login.insert").insert("blue1").press("E")
		get[*protocol.KeyPresented](b)
		time.Sleep(hsmWait + time.Second)
		b.stopped(protocol.CancelTimeout)
		b.start(authSO)
		b.at("login.insert").press("E")
		get[*protocol.KeyPresented](b)
		b.send(&protocol.Committed{Ceremony: ceremony, Set: setA})
		b.stopped(protocol.CancelProtocol)
	})
}

func TestTypeAheadIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.make("blue1", protocol.KeySO, setA, 1, 1, 1, "1234", false)
		b.start(authSO)
		b.at("login.insert").insert("blue1").press("E1234E")
		get[*protocol.KeyPresented](b)
		b.send(use(protocol.UseCurrent, protocol.ReasonNone)).at("login.pin").quiet()
		if b.p.Screen().Lines[3] != "" {
			t.Error("digits typed before the PIN screen are in it")
		}
		b.press("E123E").at("login.pin", "***").quiet() // fewer digits than any PIN has
		b.press("4E").wantShare(protocol.OpAuthenticate, setA, 1)
		b.stop(stopLost)
		_ = b.over()
	})
}

// A key file that cannot be read is a notice, and the file stays as it is.
func TestUnreadableKey(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.make("blue1", protocol.KeySO, setA, 1, 1, 1, "", false)
		whole, err := os.ReadFile(filepath.Join(b.keys.Dir, "blue1.pedkey"))
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"cut": whole[:len(whole)-1], "foreign": []byte("hello"), "empty": nil} {
			if err := os.WriteFile(filepath.Join(b.keys.Dir, name+".pedkey"), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b.start(authSO)
		b.at("login.insert")
		for _, name := range []string{"cut", "foreign", "empty"} {
			b.insert(name).press("E").at("notice.key-fault", "PED Key unreadable.").quiet()
		}
		b.insert("blue1").press("E")
		get[*protocol.KeyPresented](b)
		b.stop(stopLost)
		_ = b.over()
		if got, err := os.ReadFile(filepath.Join(b.keys.Dir, "cut.pedkey")); err != nil || !bytes.Equal(got, whole[:len(whole)-1]) {
			t.Error("a key file was changed")
		}
	})
}

// A key is a physical thing: it is in one port at a time.
func TestKeyInOnePortOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.blank("k1", "k2")
		other, err := New(Config{Serial: "PED-2", Keys: b.keys, State: &MemState{}})
		if err != nil {
			t.Fatal(err)
		}
		b.insert("k1").insert("k1")
		if err := other.Insert("k1"); !errors.Is(err, atomicfile.ErrLocked) {
			t.Errorf("in two ports: %v", err)
		}
		b.insert("k2")
		if err := other.Insert("k1"); err != nil {
			t.Error(err)
		}
		b.p.Remove()
		if err := other.Insert("k2"); err != nil {
			t.Error(err)
		}
		other.Remove()
	})
}
