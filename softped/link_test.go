package softped

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
	"openped/usbped"
)

// dyingCable is a cable that is pulled when the PED sends PedAuth.
type dyingCable struct {
	*cable
	dead   chan struct{}
	notice bool // the PED hears of it at once, too
}

func (c *dyingCable) Recv(ctx context.Context) (usbped.FromHost, error) {
	select {
	case m, ok := <-c.up:
		if !ok {
			return m, io.EOF
		}
		return m, nil
	case <-c.dead:
		return usbped.FromHost{}, io.EOF
	case <-ctx.Done():
		return usbped.FromHost{}, ctx.Err()
	}
}

func (c *dyingCable) SendFrame(ctx context.Context, b []byte) error {
	if channel.Type(b[0]) != channel.TypePedAuth {
		return c.cable.SendFrame(ctx, b)
	}
	if c.notice {
		close(c.dead)
	}
	return errors.New("unplugged")
}

// replug gives the PED another cable.
func (r *rig) replug(c *cable, g Gadget) {
	r.unplug()
	r.cable, r.serve = c, make(chan error, 1)
	go func() { r.serve <- r.p.Serve(context.Background(), g) }()
	c.up <- usbped.FromHost{Kind: usbped.HostOpened}
	synctest.Wait()
}

// A PedAuth that is not sent leaves one owner of the orange key. Giving it to
// the link before it is sent makes this fail: a cache that no HSM has rejected
// goes, and with -race the key is seen to be destroyed twice at a time.
func TestPedAuthNotSent(t *testing.T) {
	for _, notice := range []bool{false, true} {
		inRig(t, nil, func(t *testing.T, r *rig) {
			r.session()
			dc := &dyingCable{cable: newCable(), dead: make(chan struct{}), notice: notice}
			r.replug(dc.cable, dc)
			r.begin(channel.ModeRPV, "")
			r.at("notice.failed")
			r.p.mu.Lock()
			cached := r.p.cache != nil && r.p.cache.rpv.Len() > 0
			r.p.mu.Unlock()
			if !cached {
				t.Error("the cached key is gone")
			}
			c := newCable()
			r.replug(c, c)
			r.session()
		})
	}
}

// hookState lets something happen while a start counter is stored, which is in
// the middle of a Hello.
type hookState struct {
	MemState
	hook func()
}

func (h *hookState) Save(s *State) error {
	err := h.MemState.Save(s)
	if f := h.hook; f != nil {
		h.hook = nil
		f()
	}
	return err
}

// A mode that is left while a Hello is judged by it is left for that Hello, too.
// Taking the choice out of hello and begin makes this fail.
func TestModeLeftDuringHello(t *testing.T) {
	for name, leave := range map[string]func(r *rig) error{
		"local":  func(r *rig) error { return r.p.SetMode(protocol.PEDModeLocal) },
		"remote": func(r *rig) error { return r.p.SetMode(protocol.PEDModeRemote) }, // again: hangs up as well
		"menu":   func(r *rig) error { return r.p.Press(KeyBack) },
	} {
		t.Run(name, func(t *testing.T) {
			state := &hookState{}
			inRig(t, func(c *Config) { c.State = state }, func(t *testing.T, r *rig) {
				state.hook = func() {
					if err := leave(r); err != nil {
						t.Error(err)
					}
				}
				r.hello(channel.ModeRPV, "")
				r.wantAlert()
				r.still()
				if r.p.conn.current() != nil {
					t.Error("there is a channel")
				}
			})
		})
	}
}

// begin judges the mode for itself: it is the last moment before a person is
// asked.
func TestModeLeftBeforeBegin(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.prove(channel.ModeRPV, "")
		r.p.mu.Lock()
		r.p.mode, r.p.choice = protocol.PEDModeLocal, r.p.choice+1 // SetMode, before it hangs up
		r.p.mu.Unlock()
		rec, err := r.hsm.u.Begin()
		if err != nil {
			t.Fatal(err)
		}
		r.toPED(rec)
		r.wantAlert()
		for _, s := range history(r.p) {
			if s.ID == "key.insert" {
				t.Error("the orange key is asked for")
			}
		}
	})
}

// An orange key read in a mode that was left before Confirm is not kept.
func TestModeLeftBeforeConfirm(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.orange("o1", "", setA, 1, 1, 1, r.hsm.rpv, false)
		r.begin(channel.ModeRPV, "")
		r.at("key.insert").insert("o1").press("E")
		r.auth()
		r.p.mu.Lock()
		r.p.choice++ // SetMode, between its dropping of the cache and its hanging up
		r.p.mu.Unlock()
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		if len(r.state().RPKs) != 0 {
			t.Error("cached")
		}
	})
}

// Pair chosen during a session of Pair is armed for another try: what the mode
// is, and what the LCD says. Taking the choice out of disarm makes this fail.
func TestPairChosenAgain(t *testing.T) {
	inRig(t, func(c *Config) { c.Mode = protocol.PEDModePair }, func(t *testing.T, r *rig) {
		for range 2 {
			r.begin(channel.ModeOTP, "12345678")
			r.at("otp.password").press("12345678E")
			r.auth()
			if err := r.finish(); err != nil {
				t.Fatal(err)
			}
			if err := r.p.SetMode(protocol.PEDModePair); err != nil {
				t.Fatal(err)
			}
			if m := r.p.Mode(); m != protocol.PEDModePair {
				t.Errorf("mode %v", m)
			}
			r.at("idle", "Pair PED mode")
			if kind, _, err := r.hsm.s.Open(r.frame()); err != nil || kind != channel.KindCloseNotify {
				t.Errorf("%v %v", kind, err)
			}
		}
	})
}

// Whoever ends a channel in the moment of its Confirm ends the session. Taking
// the session out of close makes this fail.
func TestEndedWhileConfirmed(t *testing.T) {
	inRig(t, nil, func(t *testing.T, r *rig) {
		r.orange("o1", "", setA, 1, 1, 1, r.hsm.rpv, false)
		r.begin(channel.ModeRPV, "")
		r.at("key.insert").insert("o1").press("E")
		r.auth()
		_, confirm, err := r.hsm.u.Finish(r.hsm.rpv)
		if err != nil {
			t.Fatal(err)
		}
		l := r.p.conn.current()
		l.mu.Lock()
		v := l.v
		ev, err := v.Receive(confirm)
		l.mu.Unlock()
		if err != nil || ev != channel.EvConfirmed {
			t.Fatal(ev, err)
		}
		l.end(stopOperator, nil)
		if _, err := v.Session().Seal([]byte("x")); err == nil {
			t.Error("the keys of a channel that is over are still there")
		}
	})
}

// A reuse that comes to nothing puts the HSM on no list. Listing it before the
// PIN, or whatever the PIN gives, makes this fail.
func TestReuseThatFailsListsNobody(t *testing.T) {
	for name, c := range map[string]struct {
		second string // what is pressed at the second PIN
		listed bool
	}{
		"given up":     {"<", false},
		"another PIN":  {"9999E", false},
		"the same PIN": {"1111E", true},
	} {
		t.Run("blue "+name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.make("blue", protocol.KeySO, setA, 1, 1, 1, "1111", false, rpv.Fingerprint{99})
				b.start(createSO)
				b.at("create.reuse").press("Y")
				get[*protocol.KeysetChoice](b)
				b.at("reuse.insert").insert("blue").press("E").at("login.foreign").press("Y")
				get[*protocol.KeyPresented](b)
				b.send(use(protocol.UseCurrent, protocol.ReasonUnknownSet)).at("reuse.pin").press("1111E")
				get[*protocol.Share](b)
				b.send(result(protocol.ShareAgain, 0, 1)).at("reuse.again").press("E").at("login.foreign").press("Y")
				get[*protocol.KeyPresented](b)
				b.send(use(protocol.UseCurrent, protocol.ReasonUnknownSet)).at("reuse.pin").press(c.second)
				synctest.Wait()
				if got := b.load("blue").Current.Lists(b.peer.IssuingFP); got != c.listed {
					t.Errorf("listed: %v", got)
				}
				b.stop(stopLost)
				_ = b.over()
			})
		})
		t.Run("orange "+name, func(t *testing.T) {
			inRig(t, nil, func(t *testing.T, r *rig) {
				first := r.hsm
				r.orange("o1", "1111", setA, 1, 1, 1, r.hsm.rpv, false)
				r.hsm = newHSM(t, first.origin, "HSM-2002")
				r.hsm.live = setC
				r.orange("orange", "", setC, 1, 1, 1, r.hsm.rpv, false)
				r.session()
				r.tell(createRPV).at("create.reuse").press("Y")
				hear[*protocol.KeysetChoice](r)
				for pass, keys := range []string{"1111E", c.second} {
					r.at([]string{"reuse.insert", "reuse.again"}[pass]).insert("o1").press("E")
					kp := hear[*protocol.KeyPresented](r)
					r.tell(use(protocol.UseCurrent, protocol.ReasonUnknownSet))
					if pass == 1 {
						r.tell(r.grant(kp.RPKPub))
					}
					r.at("reuse.pin").press(keys)
				}
				synctest.Wait()
				s := r.load("o1").Current
				if got := s.Lists(r.hsm.fp()); got != c.listed || (s.RPK.Cert(r.hsm.fp()) != nil) != c.listed {
					t.Errorf("listed: %v, certified: %v", got, s.RPK.Cert(r.hsm.fp()) != nil)
				}
			})
		})
	}
}

// The second reading may take other keys than the first: any M shares say what
// the rest are.
func TestReuseWithAnotherQuorum(t *testing.T) {
	for name, good := range map[string]bool{"right": true, "mistyped": false} {
		t.Run(name, func(t *testing.T) {
			q := &quorum{}
			shares, err := rpv.Split(secret.Copy(share(setA, 1)), 2, 3)
			if err != nil {
				t.Fatal(err)
			}
			q.shares = append(q.shares, shares[:2]...)
			third := shares[2].Value
			if !good {
				third.Bytes()[63] ^= 1
			}
			if q.agrees(3, third) != good {
				t.Error("wrong verdict")
			}
			if q.agrees(2, shares[0].Value) || !q.agrees(1, shares[0].Value) {
				t.Error("the index does not matter")
			}
		})
	}
	if (&quorum{}).agrees(1, secret.Copy(share(setA, 1))) {
		t.Error("nothing agrees with everything")
	}
}
