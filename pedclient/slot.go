package pedclient

import (
	"context"
	"errors"
	"log/slog"
	"sync"

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
	dialing bool
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
	if err := s.hsm.CheckConnect(password != nil); err != nil {
		return err
	}
	if err := s.beginDial(); err != nil {
		return err
	}
	l, err := dialLink(ctx, s.dial, host, port, s.hsm.Info().Serial, s.timers, s.log)
	s.endDial(l, host, port)
	if err != nil {
		return err
	}
	if password != nil {
		announce()
	}
	return s.hsm.Connect(ctx, l, hsm.ConnectOptions{Password: password})
}

func (s *slot) beginDial() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialing {
		return &hsm.Error{Code: hsmapi.CKR_OPERATION_ACTIVE, Msg: "somebody else is connecting this slot", Hint: "try again in some seconds"}
	}
	s.dialing = true
	return nil
}

func (s *slot) endDial(l *linkConn, host string, port int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialing = false
	if l != nil {
		s.link, s.host, s.port = l, host, port
	}
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
	var he *hsm.Error
	if !errors.As(err, &he) || he.Code != hsmapi.CKR_PED_UNPLUGGED || s.hsm.Connected().Connected {
		return err
	}
	if why := s.ended(); why != nil {
		return why
	}
	return err
}
