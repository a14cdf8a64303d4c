package softped

import (
	"bytes"
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

var second = protocol.CeremonyID{8}

// HSMs send End and the next operation in one breath: it is not "busy".
func TestNextOperationRightAfterEnd(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.session()
		r.tell(&protocol.Confirm{Ceremony: ceremony, Prompt: protocol.PromptEraseHSM, TimeoutSec: 60}).at("confirm.erase").press("Y")
		hear[*protocol.Confirmed](r)
		for _, m := range []protocol.Message{
			&protocol.End{Ceremony: ceremony, Result: protocol.EndOK},
			&protocol.Authenticate{Ceremony: second, Role: protocol.RoleSO, KeyType: protocol.KeySO, TimeoutSec: 60},
		} {
			rec, err := r.hsm.s.Seal(protocol.EncodeMessage(m))
			if err != nil {
				t.Fatal(err)
			}
			r.cable.up <- usbped.FromHost{Kind: usbped.HostFrame, Frame: rec}
		}
		r.at("login.insert")
		r.still()
		r.tell(&protocol.Cancel{Ceremony: second, Reason: protocol.CancelHost}).at("notice.failed", "Ended by the HSM.")
		r.still() // no answer to a Cancel
		time.Sleep(noticeTime + time.Second)
		r.at("remote.ready")
	})
}

func TestBusy(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.session()
		r.tell(authSO).at("login.insert")
		if !r.state().Busy {
			t.Error("state does not say busy")
		}
		r.tell(&protocol.Authenticate{Ceremony: second, Role: protocol.RoleSO, KeyType: protocol.KeySO, TimeoutSec: 60})
		if c := hear[*protocol.Cancel](r); c.Ceremony != second || c.Reason != protocol.CancelBusy {
			t.Errorf("%+v", c)
		}
		if err := r.p.SetMode(protocol.PEDModeLocal); err != ErrBusy {
			t.Errorf("SetMode: %v", err)
		}
		r.at("login.insert").press("<")
		if c := hear[*protocol.Cancel](r); c.Ceremony != ceremony || c.Reason != protocol.CancelOperator {
			t.Errorf("%+v", c)
		}
		if r.state().Busy {
			t.Error("state still says busy")
		}
		// Messages of an operation that is over are nobody's.
		r.tell(use(protocol.UseCurrent, protocol.ReasonNone)).tell(result(protocol.ShareDone, 1, 1))
		r.still()
		r.tell(authSO).at("login.insert") // the session lives
	})
}

func TestResetDuringOperation(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.press("R").at("idle") // nothing runs
		r.session()
		r.press("R").at("remote.ready")
		r.tell(authSO).at("login.insert").press("R").at("notice.failed", "Cancelled.")
		hear[*protocol.Cancel](r)
		if kind, _, err := r.hsm.s.Open(r.frame()); err != nil || kind != channel.KindCloseNotify {
			t.Errorf("%v %v", kind, err)
		}
		if e := r.state(); len(e.RPKs) != 0 {
			t.Error("the orange key survived a reset")
		}
		r.begin(channel.ModeRPV, "")
		r.at("key.insert")
	})
}

// F-06: the warning comes only when there is something to lose.
func TestF06ExitWarningOnlyWithRPK(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.press("<").at("menu").press("7").at("idle")
		r.session()
		r.press("<").at("menu.exit-warning").press("N").at("remote.ready")
		r.tell(authSO).at("login.insert").press("<")
		hear[*protocol.Cancel](r)
		r.at("notice.failed").press("5").at("remote.ready").press("<").at("menu.exit-warning")
		r.tell(&protocol.Authenticate{Ceremony: second, Role: protocol.RoleSO, KeyType: protocol.KeySO, TimeoutSec: 60})
		if c := hear[*protocol.Cancel](r); c.Reason != protocol.CancelBusy {
			t.Errorf("%+v", c)
		}
		r.press("Y").at("menu")
		if kind, _, err := r.hsm.s.Open(r.frame()); err != nil || kind != channel.KindCloseNotify {
			t.Errorf("%v %v", kind, err)
		}
		if e := r.state(); len(e.RPKs) != 0 || e.Mode != protocol.PEDModeAdmin {
			t.Errorf("%+v", e)
		}
		r.press("0").at("idle", "Local PED mode").press("<").at("menu").press("9").at("idle", "Pair PED mode")
		r.press("<").press("4").at("admin").press("9").at("menu.unavailable").press("E").at("menu").press("4<1").at("menu.unavailable").press("E7").at("idle")
		r.press(">").at("log").press("E").at("idle")
	})
}

func TestHostGoneDuringOperation(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.session()
		r.tell(authSO).at("login.insert")
		r.unplug()
		r.at("notice.failed", "Connection lost.")
		r.plug()
		if e := r.state(); e.Busy || len(e.RPKs) != 1 {
			t.Errorf("%+v", e)
		}
		r.session() // cached: nobody asked
		r.tell(authSO).at("login.insert")
		r.cable.up <- usbped.FromHost{Kind: usbped.HostCancel}
		r.at("notice.failed", "Connection lost.")
		r.session()
		r.tell(authSO).at("login.insert")
		r.session() // a new Hello replaces what there was
		if err := r.p.Serve(t.Context(), newCable()); err != ErrServing {
			t.Errorf("second host: %v", err)
		}
	})
}

func TestTamperedRecordEndsTheSession(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.session()
		r.tell(authSO).at("login.insert")
		rec, err := r.hsm.s.Seal(protocol.EncodeMessage(use(protocol.UseCurrent, protocol.ReasonNone)))
		if err != nil {
			t.Fatal(err)
		}
		rec[20] ^= 1
		r.toPED(rec)
		r.wantAlert()
		r.at("notice.failed", "Refused.")
		r.toPED(rec)
		r.still()
	})
}

// An HSM cannot have orange or red keys read as those of a login. Taking the key
// type out of Authenticate's decoder makes this fail.
func TestLoginWithKeysOfAnotherRole(t *testing.T) {
	for what, pair := range map[string][2]byte{"so with orange": {1, 3}, "cu with red": {6, 2}, "rpv": {8, 3}, "domain": {7, 2}} {
		t.Run(what, func(t *testing.T) {
			inRig(t, nil, func(t *testing.T, r *rig) {
				r.session()
				rec, err := r.hsm.s.Seal(append(append([]byte{1}, ceremony[:]...), pair[0], pair[1], 0, 60, 0))
				if err != nil {
					t.Fatal(err)
				}
				r.toPED(rec)
				r.wantAlert()
				for _, s := range history(r.p) {
					if s.ID == "login.insert" {
						t.Error("the PED asks for the key")
					}
				}
			})
		})
	}
}

// provision is CreateKeyset for a new RPV of one orange key.
func (r *rig) provision(set protocol.SetID) *protocol.WriteShare {
	r.t.Helper()
	private, cert := r.hsm.rpk(r.t)
	l := channel.Label{Ceremony: ceremony, Op: protocol.OpProvision, Role: protocol.RoleRPV, Serial: testSerial, Set: set, Index: 1}
	share, err := r.hsm.s.WrapSecret(l, r.hsm.rpv)
	if err != nil {
		r.t.Fatal(err)
	}
	l.Op = protocol.OpRPKKey
	key, err := r.hsm.s.WrapSecret(l, private.Bytes())
	if err != nil {
		r.t.Fatal(err)
	}
	return &protocol.WriteShare{Ceremony: ceremony, Index: 1, M: 1, N: 1, Set: set, Wrapped: share, RPKKey: key, RPKCert: cert}
}

var createRPV = &protocol.CreateKeyset{Ceremony: ceremony, Role: protocol.RoleRPV, KeyType: protocol.KeyRPK, TimeoutSec: 60, MayReuse: true}

// The whole bootstrap: one-time password, orange key, session with it; and then
// a rotation, which makes the cached key stale.
func TestProvisionOrangeKey(t *testing.T) {
	inRig(t, func(c *Config) { c.Roots, c.Mode = nil, protocol.PEDModePair }, func(t *testing.T, r *rig) {
		r.blank("o1", "o2")
		r.begin(channel.ModeOTP, "12345678")
		r.at("otp.unverified").press("12345678E")
		r.auth()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		write := func(set protocol.SetID, name string) {
			r.tell(createRPV).at("create.reuse", "SETTING RPV...").press("N").at("create.m").press("1E").at("create.n").press("1E")
			hear[*protocol.KeysetChoice](r)
			r.tell(r.provision(set)).at("create.insert", "PED Key (ORANGE)").insert(name).press("E").at("create.blank").press("Y").at("create.pin").press("1234E1234E")
			hear[*protocol.ShareWritten](r)
			r.tell(&protocol.Committed{Ceremony: ceremony, Set: set}).at("create.duplicate").press("N")
			hear[*protocol.DuplicateChoice](r)
			r.tell(&protocol.End{Ceremony: ceremony, Result: protocol.EndOK}).at("notice.done")
			r.bye()
			r.hsm.live = set
		}
		write(setA, "o1")
		r.begin(channel.ModeRPV, "")
		r.at("key.insert", "SLOT        HSM-1001").press("E").at("key.pin").press("1234E")
		r.auth()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		r.at("remote.ready")
		write(setB, "o2")
		if e := r.state(); len(e.RPKs) != 0 {
			t.Error("the cache survived a rotation")
		}
		r.begin(channel.ModeRPV, "")
		r.at("key.insert").insert("o1").press("E").at("notice.wrong-key").insert("o2").press("E").at("key.pin").press("1234E")
		r.auth()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRPKOfAnotherHSMIsNotWritten(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.blank("o1")
		r.session()
		mine := r.hsm
		r.tell(createRPV).at("create.reuse").press("N").at("create.m").press("1E").at("create.n").press("1E")
		hear[*protocol.KeysetChoice](r)
		m := r.provision(setA)
		_, m.RPKCert = newHSM(t, mine.origin, "HSM-2002").rpk(t)
		r.tell(m)
		if c := hear[*protocol.Cancel](r); c.Reason != protocol.CancelProtocol {
			t.Errorf("%+v", c)
		}
	})
}

// Sharing an RPV with a second HSM: the quorum twice, joined in the PED, each
// key certified. Only then does the key serve the second HSM.
func TestReuseRPV(t *testing.T) {
	inRig(t, func(c *Config) { c.Mode = protocol.PEDModePair }, func(t *testing.T, r *rig) {
		shares, err := rpv.Split(secret.Copy(r.hsm.rpv), 2, 2)
		if err != nil {
			t.Fatal(err)
		}
		r.orange("o1", "1111", setA, 1, 2, 2, shares[0].Value.Bytes(), false)
		r.orange("o2", "2222", setA, 2, 2, 2, shares[1].Value.Bytes(), false)
		first := r.hsm
		r.hsm = newHSM(t, first.origin, "HSM-2002")
		r.hsm.rpv, r.hsm.live = nil, protocol.SetID{}
		mistype := ""
		run := func() {
			r.begin(channel.ModeOTP, "12345678")
			r.at("otp.password").press("12345678E")
			r.auth()
			if err := r.finish(); err != nil {
				t.Fatal(err)
			}
			r.tell(createRPV).at("create.reuse").press("Y")
			hear[*protocol.KeysetChoice](r)
			for pass, ids := range [][2]string{{"reuse.insert", "reuse.insert-another"}, {"reuse.again", "reuse.insert-another"}} {
				for i, name := range []string{"o1", "o2"} {
					pin := []string{"1111", "2222"}[i]
					if pass == 1 && mistype == name {
						pin = "9999"
					}
					r.at(ids[i])
					if i == 1 {
						r.press("E").at("notice.same-key")
						r.still()
					}
					r.insert(name).press("E")
					kp := hear[*protocol.KeyPresented](r)
					if kp.Current != setA || len(kp.RPKPub) == 0 {
						t.Fatalf("%+v", kp)
					}
					r.tell(use(protocol.UseCurrent, protocol.ReasonUnknownSet))
					if pass == 1 {
						r.tell(r.grant(kp.RPKPub))
					}
					r.at("reuse.pin", "READING RPV...").press(pin + "E")
				}
			}
		}
		mistype = "o2"
		run()
		if c := hear[*protocol.Cancel](r); c.Reason != protocol.CancelKeyFault {
			t.Errorf("%+v", c)
		}
		r.at("notice.failed", "Not read the same")
		r.bye()

		mistype = ""
		if err := r.p.SetMode(protocol.PEDModePair); err != nil {
			t.Fatal(err)
		}
		run()
		m := hear[*protocol.ReusedRPV](r)
		v, err := r.hsm.s.UnwrapSecret(channel.Label{Ceremony: ceremony, Op: protocol.OpReuseRPV, Role: protocol.RoleRPV, Serial: "HSM-2002", Set: setA}, m.Wrapped)
		if err != nil || !bytes.Equal(v.Bytes(), first.rpv) || m.M != 2 || m.N != 2 {
			t.Fatalf("%+v %v", m, err)
		}
		r.tell(&protocol.Committed{Ceremony: ceremony, Set: setA}).tell(&protocol.End{Ceremony: ceremony, Result: protocol.EndOK}).at("notice.done")
		r.bye()
		// Now the same keys serve both.
		r.hsm.rpv, r.hsm.live = first.rpv, setA
		for _, h := range []*testHSM{r.hsm, first} {
			r.hsm = h
			r.begin(channel.ModeRPV, "")
			if h == first { // the first key's certificates serve both HSMs: cached
				r.at("session.compute")
			} else {
				r.at("key.insert").insert("o2").press("E").at("key.pin").press("2222E").at("key.insert-another").insert("o1").press("E").at("key.pin").press("1111E")
			}
			r.auth()
			if err := r.finish(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// grant certifies an RPK that another HSM made.
func (r *rig) grant(spki []byte) *protocol.Grant {
	r.t.Helper()
	k := r.load(r.p.Inserted())
	key, err := k.Current.RPK.Key()
	if err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Equal(certs.SPKI(key.PublicKey()), spki) {
		r.t.Fatal("RPK shown is not the key's")
	}
	der, err := r.hsm.issuing.IssueRPK(key.PublicKey())
	if err != nil {
		r.t.Fatal(err)
	}
	r.hsm.listed[certs.IDOf(key.PublicKey())] = true
	return &protocol.Grant{Ceremony: ceremony, RPKCert: der}
}

func TestIdleNoticeGoesByItself(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.session()
		r.tell(authSO).at("login.insert").press("<")
		r.at("notice.failed")
		time.Sleep(noticeTime + time.Second)
		synctest.Wait()
		r.at("remote.ready")
	})
}
