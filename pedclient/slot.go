package pedclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"openped/hsm"
	"openped/hsm/virtual"
	"openped/internal/audit"
	"openped/internal/secret"
	"openped/protocol/hsmapi"
)

// auditSuffix is appended to the HSM's state file.
const auditSuffix = ".audit"

// slot is one HSM of this host and its way to a PED.
type slot struct {
	num      int
	path     string // of the state file
	hsm      *hsm.Slot
	audit    *audit.Log
	settings *settings
	log      *slog.Logger
	client   *Client

	mu      sync.Mutex // never held while anything is waited for
	dialing *dialer    // who is connecting, or nil
	hold    held       // the last one, over or not
	way     way        // of hold
	regain  *regain    // getting the PED back, or nil
	wishes  int        // how often somebody has said what he wants
	back    time.Time  // when the PED was got back last
	flaps   int        // how often it was lost again soon after
	closed  bool
}

// way is how a slot gets to a PED.
type way struct {
	Target
	id     int    // the PED ID that led to it, or 0
	parked bool   // over the link that the PEDserver has made
	device string // a PED of this host, and then nothing else
}

func (w way) local() bool { return w.device != "" }

// openSlot opens the virtual HSM in the state file path, with its audit log and
// settings next to it.
func openSlot(num int, path string, c *Client) (s *slot, err error) {
	s = &slot{num: num, path: path, log: c.cfg.Log.With("slot", num), client: c}
	driver, err := virtual.Open(path)
	if err != nil {
		return nil, err
	}
	path = driver.Path() // the other files stand beside the state, not beside a link to it
	// From here on this process has the HSM's lock, and so its other files.
	defer func() {
		if err != nil {
			_ = driver.Close()
		}
	}()
	if s.settings, err = openSettings(path + settingsSuffix); err != nil {
		return nil, err
	}
	if s.audit, err = audit.Open(path + auditSuffix); err != nil {
		return nil, err
	}
	s.hsm, err = hsm.New(driver, hsm.Options{Slot: num, Audit: s.audit, Log: s.log})
	if err != nil {
		_ = s.audit.Close()
		return nil, err
	}
	return s, nil
}

func (s *slot) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.endRegain()
	return errors.Join(s.hsm.Close(), s.audit.Close())
}

// connect connects the HSM to the PED that w leads to. With a password,
// announce is called when people are needed at the PED.
func (s *slot) connect(ctx context.Context, w way, password *secret.Buffer, announce func()) error {
	if err := s.afterLocal(ctx, w); err != nil {
		return err
	}
	s.endRegain() // a person knows better
	return s.join(ctx, w, password, announce, s.forget)
}

// join is connect; failed is called when there is no PED to be had.
func (s *slot) join(ctx context.Context, w way, password *secret.Buffer, announce, failed func()) error {
	if err := s.beginDial(hsm.CallerOf(ctx)); err != nil {
		return err
	}
	defer s.endDial()
	if err := s.checkWay(w, password != nil); err != nil {
		return err
	}
	h, err := s.reach(ctx, w)
	if err != nil {
		failed()
		return err
	}
	before, beforeWay := s.current() // a local PED that gives way
	s.setHold(h, w)
	if err = s.recheck(h); err == nil {
		if password != nil {
			announce()
		}
		if c, ok := h.(*cable); ok {
			err = s.hsm.ConnectLocal(ctx, c)
		} else {
			err = s.hsm.Connect(ctx, h, hsm.ConnectOptions{Password: password})
		}
	}
	if err != nil && before != nil && before.Cause() == nil { // it did not have to
		s.setHold(before, beforeWay)
	}
	return err
}

// recheck ends a hold whose PEDserver was deleted while it was being got: from
// setHold on Reconfigure sees to that.
func (s *slot) recheck(h held) error {
	if l, ok := h.(*hold); ok {
		l.line.recheck(s.client.net.secure.registry())
		if cause := l.Cause(); cause != nil {
			return cause
		}
	}
	return nil
}

// checkWay refuses what the HSM refuses anyway.
func (s *slot) checkWay(w way, withPassword bool) error {
	if w.local() {
		return s.hsm.CheckLocal()
	}
	return s.hsm.CheckConnect(withPassword)
}

// reach gets the PED, and hears of its end.
func (s *slot) reach(ctx context.Context, w way) (held, error) {
	serial := s.hsm.Info().Serial
	s.mu.Lock()
	wish := s.wishes
	s.mu.Unlock()
	over := func(cause *hsm.Error) { s.lost(w, wish, cause) }
	if w.local() {
		c, err := s.client.local.open(ctx, w.device, s)
		if err != nil {
			return nil, err
		}
		c.watch(over)
		return c, nil
	}
	var h *hold
	var err error
	if w.parked {
		h, err = s.client.hub.acquire(ctx, w.PEDServer, serial)
	} else {
		h, err = s.client.net.dialHold(ctx, w.Target, serial, s.log)
	}
	if err != nil {
		return nil, err
	}
	h.watch(func() bool { return s.mayIdle(w) }, over)
	return h, nil
}

// mayIdle reports whether the connection has no idle time-out: while its PED ID
// is assigned to this HSM, if that is wanted.
func (s *slot) mayIdle(w way) bool {
	p, ok := s.client.ids().Assigned(s.hsm.Info().Serial)
	return w.id != 0 && ok && p.ID == w.id && s.client.net.clock.get().IgnoreIdle
}

// disconnect gives the PED back, and does not get it back.
func (s *slot) disconnect(ctx context.Context) error {
	s.endRegain()
	if _, w := s.last(); w.local() { // nor is a local one opened again that is gone already
		s.forget()
	}
	return s.hsm.Disconnect(ctx)
}

// dialer is who is connecting a slot.
type dialer struct {
	caller string
	since  time.Time
	done   chan struct{}
}

// check refuses what can be known before a way is looked for.
func (s *slot) check(withPassword bool) error {
	if err := s.undisturbed(); err != nil {
		return err
	}
	return s.hsm.CheckConnect(withPassword)
}

// undisturbed refuses while somebody else is connecting the slot.
func (s *slot) undisturbed() error {
	s.mu.Lock()
	d := s.dialing
	s.mu.Unlock()
	if d != nil && d.caller != byItself {
		return d.busy()
	}
	return nil
}

func (d *dialer) busy() error {
	return &hsm.Error{Code: hsmapi.CKR_OPERATION_ACTIVE, Hint: "wait until it is connected, or run `ped disconnect`",
		Msg: fmt.Sprintf("this slot is being connected%s, since %s", hsm.ByCaller(d.caller), d.since.Format(time.TimeOnly))}
}

func (s *slot) beginDial(caller string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialing != nil {
		return s.dialing.busy()
	}
	s.dialing = &dialer{caller, time.Now(), make(chan struct{})}
	return nil
}

func (s *slot) endDial() { s.mu.Lock(); close(s.dialing.done); s.dialing = nil; s.mu.Unlock() }

// setHold keeps the hold of a slot that is being connected.
func (s *slot) setHold(h held, w way) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold, s.way = h, w
}

// forget is for a try that came to nothing: the last hold's end has been
// answered by it. A hold that lasts stays.
func (s *slot) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold != nil && s.hold.Cause() != nil {
		s.hold, s.way = nil, way{}
	}
}

// last returns the last hold, over or not, and the way to it.
func (s *slot) last() (held, way) { s.mu.Lock(); defer s.mu.Unlock(); return s.hold, s.way }

// link returns the hold over a link that lasts, or nil.
func (s *slot) link() *hold {
	h, _ := s.current()
	l, _ := h.(*hold)
	return l
}

// current returns the hold that lasts and the way to it, or nil.
func (s *slot) current() (held, way) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold == nil || s.hold.Cause() != nil {
		return nil, way{}
	}
	return s.hold, s.way
}

// ended returns why the last hold ended by itself; nil if it lasts, if somebody
// gave it back, or if there was none.
func (s *slot) ended() *hsm.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold == nil {
		return nil
	}
	if c := s.hold.Cause(); c != nil && !errors.Is(c.Err, errGivenBack) {
		return c
	}
	return nil
}

// explain replaces "no PED is connected" by the reason, which may lie hours
// back: the session was idle, or the network broke.
func (s *slot) explain(err error) error {
	if why := s.ended(); why != nil && errors.Is(err, hsm.ErrNotConnected) {
		return why
	}
	return err
}
