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

// DefaultPort is the port of a PEDserver when none is named.
const DefaultPort = 1503

// slot is one HSM of this host and its way to a PED.
type slot struct {
	num      int
	path     string // of the state file
	hsm      *hsm.Slot
	audit    *audit.Log
	settings *settings
	log      *slog.Logger
	dial     Dialer
	timers   Timers

	mu      sync.Mutex
	dialing *dialer   // who is connecting, or nil
	link    *linkConn // the last one, dead or alive
	host    string    // of link
	port    int
}

// openSlot opens the virtual HSM in the state file path, with its audit log and
// settings next to it.
func openSlot(num int, path string, cfg *Config) (s *slot, err error) {
	s = &slot{num: num, path: path, log: cfg.Log.With("slot", num), dial: cfg.Dial, timers: cfg.Timers}
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

func (s *slot) close() error { return errors.Join(s.hsm.Close(), s.audit.Close()) }

// connect dials a PEDserver and connects the HSM to its PED. With a password,
// announce is called when people are needed at the PED.
func (s *slot) connect(ctx context.Context, host string, port int, password *secret.Buffer, announce func()) error {
	if err := s.beginDial(hsm.CallerOf(ctx)); err != nil {
		return err
	}
	defer s.endDial()
	if err := s.hsm.CheckConnect(password != nil); err != nil {
		return err
	}
	l, err := dialLink(ctx, s.dial, host, port, s.hsm.Info().Serial, s.timers, s.log)
	s.setLink(l, host, port)
	if err != nil {
		return err
	}
	if password != nil {
		announce()
	}
	return s.hsm.Connect(ctx, l, hsm.ConnectOptions{Password: password})
}

// dialer is who is connecting a slot.
type dialer struct {
	caller string
	since  time.Time
}

func (s *slot) beginDial(caller string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.dialing; d != nil {
		return &hsm.Error{Code: hsmapi.CKR_OPERATION_ACTIVE, Hint: "wait until it is connected, or run `ped disconnect`",
			Msg: fmt.Sprintf("this slot is being connected%s, since %s", hsm.ByCaller(d.caller), d.since.Format(time.TimeOnly))}
	}
	s.dialing = &dialer{caller, time.Now()}
	return nil
}

func (s *slot) endDial() { s.mu.Lock(); s.dialing = nil; s.mu.Unlock() }

// setLink keeps the link of a slot that is being connected. With none the last
// one's end has been answered by another try, and is forgotten.
func (s *slot) setLink(l *linkConn, host string, port int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link, s.host, s.port = l, host, port
}

// current returns the live link and its address, or nil.
func (s *slot) current() (l *linkConn, host string, port int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil || s.link.Cause() != nil {
		return nil, "", 0
	}
	return s.link, s.host, s.port
}

// ended returns why the last link ended by itself; nil if it lives, if somebody
// closed it, or if there was none.
func (s *slot) ended() *hsm.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return nil
	}
	if c := s.link.Cause(); c != nil && c.Err != errGivenBack {
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
