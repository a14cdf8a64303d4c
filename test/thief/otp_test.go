package thief

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"openped/certs"
	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

// fakePED is somebody at the other end of the HSM's link who answers a handshake
// as a PED would, with what he has or guesses.
func (r *rig) fakePED(ctx context.Context, c *hsmtest.Conn, in channel.AuthInput) error {
	hello, err := c.Recv(ctx)
	if err != nil {
		return err
	}
	v, reply, err := channel.NewV(channel.VConfig{
		Modes:    func(channel.Mode) bool { return true },
		Verifier: &certs.HSMVerifier{Roots: []*x509.Certificate{r.Origin.Cert}}, CheckCounter: func(channel.Identity) error { return nil },
	}, hello)
	if err != nil {
		return err
	}
	defer v.Wipe()
	if err := c.Send(ctx, reply); err != nil {
		return err
	}
	for {
		f, err := c.Recv(ctx)
		if err != nil {
			return err
		}
		ev, err := v.Receive(f)
		if err != nil {
			return err
		}
		switch ev {
		case channel.EvBegin:
			in.Serial, in.Firmware = "PED-EVIL", "2.9.0"
			rec, err := v.Auth(in)
			if err != nil {
				return err
			}
			if err := c.Send(ctx, rec); err != nil {
				return err
			}
		case channel.EvConfirmed:
			return fakeRefusal(ctx, c, v.Session())
		}
	}
}

// fakeRefusal takes what the HSM wants first, if anything, and refuses it.
func fakeRefusal(ctx context.Context, c *hsmtest.Conn, s *channel.Session) error {
	defer s.Wipe()
	rec, err := c.Recv(ctx)
	if err != nil {
		return err
	}
	_, b, err := s.Open(rec)
	if err != nil {
		return err
	}
	m, err := protocol.DecodeMessage(b)
	if err != nil {
		return err
	}
	no, err := s.Seal(protocol.EncodeMessage(&protocol.Cancel{Ceremony: protocol.CeremonyOf(m), Reason: protocol.CancelRefused}))
	if err != nil {
		return err
	}
	return c.Send(ctx, no)
}

// connectFake connects the HSM, by password, to a fake PED that guesses.
func (r *rig) connectFake(password, guess string) error {
	a, b := hsmtest.Pipe()
	ctx, stop := context.WithTimeout(r.t.Context(), time.Minute)
	played := make(chan error, 1)
	go func() { played <- r.fakePED(ctx, b, channel.AuthInput{Password: []byte(guess)}) }()
	err := r.Slot.Connect(ctx, a, otp(password))
	stop()
	<-played
	b.Close()
	return err
}

// TestFakePEDGuessesOnce: who answers in the PED's place has one guess at a
// password of 8 digits, and knows afterwards that it was wrong, no more: the
// password is used up, on disk, before the HSM looks at the guess. Switching the
// HSM off at that moment gives no second guess.
//
// Rule out: in hsm's pedConn.finish, call useUp after u.Finish and only if that
// succeeded.
func TestFakePEDGuessesOnce(t *testing.T) {
	r := newRig(t, nil)
	used := func(password string) {
		t.Helper()
		if e := wants(t, r.connectFake(password, password), hsmapi.CKR_ARGUMENTS_BAD); e.Msg == "" || e.Hint == "" {
			t.Error("no word on what is wrong")
		}
	}
	wants(t, r.connectFake("11223344", "11223345"), hsmapi.CKR_PED_AUTH_FAILED)
	used("11223344")
	r.Restart()
	used("11223344")
	// The power is cut when the guess is on the table.
	r.CrashAt(1, true)
	wants(t, r.connectFake("55667788", "55667789"), hsmapi.CKR_DEVICE_ERROR)
	r.Restart()
	used("55667788")
	// It cannot be stored: then there is no look.
	r.CrashAt(1, false)
	wants(t, r.connectFake("99887766", "99887766"), hsmapi.CKR_DEVICE_ERROR)
	r.Restart()
	// Control: the fake PED plays well enough to win with the right password.
	wants(t, r.connectFake("99887766", "99887766"), hsmapi.CKR_OK)
}

// TestFakeHSMGuessesOnce: who answers in the HSM's place while a person pairs the
// PED sees one PedAuth, made with a password that he does not know; the PED
// stores nothing of him, and its next try takes somebody at the PED who arms it.
//
// Rule out: in softped's link.close, do not disarm; in link.confirmed, store the
// root in link's constructor instead.
func TestFakeHSMGuessesOnce(t *testing.T) {
	for name, known := range map[string]bool{"unknown root": false, "known root": true} {
		r := newRig(t, nil)
		p := stranger(t, serial)
		if known {
			p = as(t, r.HSM, 1)
		}
		r.mode(protocol.PEDModePair)
		u, line := r.begin(p, channel.ModeOTP, "11111111", careless{})
		r.people.Wait("otp.unverified", "otp.password").Press("13572468E")
		if auth, err := r.answer(u, line); !auth {
			t.Fatalf("%s: no PedAuth: %v", name, err)
		}
		if s, confirm, err := u.Finish(nil); s != nil || confirm != nil || !errors.Is(err, channel.ErrConfirmation) {
			t.Errorf("%s: a wrong guess gives %v", name, err)
		}
		send(t, line, channel.AlertRecord())
		// Once more, without anybody at the PED.
		follow := r.watch()
		line = r.plug()
		if m := r.ped.Mode(); m != protocol.PEDModeRemote {
			t.Errorf("%s: after a try the PED is in %v", name, m)
		}
		_, hello := p.u(t, channel.ModeOTP, "11111112", careless{})
		send(t, line, hello)
		if got, err := receive(t, line); err != nil || !channel.IsAlert(got) {
			t.Errorf("%s: a second try is answered with %x, %v", name, got[:min(1, len(got))], err)
		}
		for _, id := range follow.shown() {
			if asks(id) {
				t.Errorf("%s: a second try shows %s", name, id)
			}
		}
		st, err := r.state.Load()
		if err != nil || len(st.Roots) != 0 {
			t.Errorf("%s: the PED keeps %d roots, %v", name, len(st.Roots), err)
		}
		if !known && len(st.Counters) != 0 {
			t.Errorf("%s: the PED keeps a start counter of the thief's", name)
		}
		// The true HSM pairs well afterwards.
		r.pair(r.HSM, "24681357")
	}
}

// TestOrangePINOnlyOnline: who has an orange key's file, or the key, and not its
// PIN asks the HSM each time. Each try counts, on disk, before it is looked at,
// and they get slower and slower; cutting the HSM's power does not help.
//
// Rule out: in hsm's pedConn.finish, call countHandshake after u.Finish.
func TestOrangePINOnlyOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := ready(t)
		failed := func() int {
			st := r.State()
			if len(st.Failed) == 0 {
				return 0
			}
			return st.Failed[0].Count
		}
		guess := func(code hsmapi.Code, arm func()) time.Duration {
			t.Helper()
			r.mode(protocol.PEDModeRemote)
			wants(t, r.Slot.Disconnect(t.Context()), hsmapi.CKR_OK)
			wants(t, r.connect(""), hsmapi.CKR_OK)
			arm()
			c := start(func() error {
				_, err := r.Slot.Login(t.Context(), protocol.RoleSO, nil)
				return err
			})
			begun := time.Now()
			r.offer(wrong(orange))
			r.ends(c, code)
			return time.Since(begun)
		}
		for n, pause := range []time.Duration{0, 0, 1, 2} {
			if took := guess(hsmapi.CKR_PED_AUTH_FAILED, func() {}); took.Truncate(time.Second) != pause*time.Second {
				t.Errorf("guess %d took %v, want %v s", n+1, took, int(pause))
			}
			if failed() != n+1 {
				t.Fatalf("%d guesses counted, want %d", failed(), n+1)
			}
			synctest.Wait()
			time.Sleep(6 * time.Second) // the notice goes
		}
		guess(hsmapi.CKR_DEVICE_ERROR, func() { r.Driver.Crash(1, true, func() { r.line.Cut() }) })
		r.Restart()
		if failed() != 5 {
			t.Errorf("after the power was cut %d guesses are counted, want 5", failed())
		}
		// Who knows the PIN waits once, and is through.
		time.Sleep(6 * time.Second)
		wants(t, r.connect(""), hsmapi.CKR_OK)
		var g *hsm.Grant
		c := start(func() (err error) {
			g, err = r.Slot.Login(t.Context(), protocol.RoleSO, nil)
			return err
		})
		r.offer(orange)
		r.share(blue[0], true)
		r.share(blue[2], false)
		r.ends(c, hsmapi.CKR_OK)
		if !g.Valid() || failed() != 0 {
			t.Errorf("login valid %v, %d guesses counted after it", g.Valid(), failed())
		}
	})
}
