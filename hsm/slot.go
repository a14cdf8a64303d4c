package hsm

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"openped/certs"
	"openped/internal/audit"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

// Options of a slot.
type Options struct {
	Slot          int           // its number, for audit records
	Audit         *audit.Log    // nil: none
	Log           *slog.Logger  // nil: discarded
	ActionTimeout time.Duration // for each action at the PED: 1 s to 1 h, 0 means 200 s
}

// Slot runs the ceremonies of one HSM. Its methods may be called from several
// goroutines; one ceremony runs at a time, and a second is refused at once with
// CKR_OPERATION_ACTIVE. Every error is an *Error.
type Slot struct {
	d       Driver
	o       Options
	id      Identity
	static  *ecdh.PrivateKey // of this start
	chain   [][]byte         // of the static key
	own     map[[64]byte]bool
	rpks    *certs.RPKVerifier // one for all handshakes: it remembers what it has verified
	timeout uint16             // seconds
	limits  channel.Limits     // zero but in tests

	mu      sync.Mutex // never held while anything is waited for
	running *ceremony
	conn    *pedConn
	ped     PEDInfo
	grants  map[*Grant]bool
	closed  bool
}

// New starts an HSM: it makes the static key of this start, under a start
// counter one higher than ever before, forgets keysets that a crash left
// uncommitted, and draws the consequence of failed logins that a crash left
// undrawn. It owns d from now on, also when it fails.
func New(d Driver, o Options) (*Slot, error) {
	s, err := newSlot(d, o)
	if err != nil {
		d.Close()
		return nil, toError(err)
	}
	return s, nil
}

func newSlot(d Driver, o Options) (*Slot, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ActionTimeout == 0 {
		o.ActionTimeout = 200 * time.Second
	}
	if o.ActionTimeout < time.Second || o.ActionTimeout > time.Hour {
		return nil, errorf(codeArguments, "", "the time-out of an action is 1 s to 1 h")
	}
	if o.Audit != nil {
		d = anchored{d, o.Audit}
	}
	s := &Slot{d: d, o: o, id: d.Identity(), own: map[[64]byte]bool{}, grants: map[*Grant]bool{},
		timeout: uint16(o.ActionTimeout / time.Second)}
	if err := s.checkAudit(); err != nil {
		return nil, err
	}
	var counter uint64
	var notes []audit.Record
	err := d.Update(func(st *State) error {
		notes = nil
		for _, p := range st.Pending {
			notes = append(notes, audit.Record{Event: "pending-dropped", Role: p.Role.String(), Set: p.Set.String()})
		}
		st.dropPending()
		for _, sp := range roles {
			if sp.overdue(st) {
				notes = append(notes, audit.Record{Event: "attempts-spent", Role: sp.role.String(), Result: sp.verdict()})
				sp.punish(st)
			}
		}
		st.StartCounter++
		counter = st.StartCounter
		return nil
	})
	if err != nil {
		return nil, driverError(err)
	}
	if s.static, err = ecdh.P521().GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	cert, err := d.IssueStatic(s.static.PublicKey(), counter)
	if err != nil {
		return nil, errorf(hsmapi.CKR_DEVICE_ERROR, "", "the HSM could not certify its static key").with(err)
	}
	issuing, root := d.Chain()
	s.chain = [][]byte{cert, issuing, root}
	for _, der := range s.chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, errorf(hsmapi.CKR_DEVICE_ERROR, "", "the HSM's certificates cannot be read").with(err)
		}
		s.own[certs.SPKIFingerprint(c.RawSubjectPublicKeyInfo)] = true
	}
	s.rpks = &certs.RPKVerifier{
		IssuingDER: issuing,
		Listed: func(fp [64]byte) (listed bool) {
			s.d.View(func(st *State) { listed = st.listed(fp) })
			return listed
		},
		Own: s.isOwn,
	}
	for _, r := range append(notes, audit.Record{Event: "start", Result: fmt.Sprintf("start counter %d", counter)}) {
		if err := s.log(r); err != nil {
			return nil, err
		}
	}
	if err := s.anchor(); err != nil {
		return nil, driverError(err)
	}
	return s, nil
}

// isOwn reports whether a public key is one of this HSM's own.
func (s *Slot) isOwn(fp [64]byte) bool { return s.own[fp] }

// Close disconnects, ends all logins and closes the driver.
func (s *Slot) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), sendTime)
	defer cancel()
	err := s.Disconnect(ctx)
	s.revoke()
	s.anchorOrWarn()
	if derr := s.d.Close(); derr != nil {
		return driverError(derr)
	}
	return err
}

// ceremony is one run of people or machines that must not be mixed with others.
type ceremony struct {
	slot       *Slot
	id         protocol.CeremonyID // its last byte is 0; the PED operations count in it
	operations byte
	name       string
	caller     string        // see WithCaller
	role       protocol.Role // 0 if it is about none
	since      time.Time
	ctx        context.Context
	cancel     context.CancelCauseFunc
	done       chan struct{}
	conn       *pedConn // nil when none is connected
	prompt     Prompter
	asked      bool     // people have been called to the PED
	keys       []string // serials shown or written
	set        protocol.SetID
}

// begin starts a ceremony, or says at once that another one runs.
func (s *Slot) begin(ctx context.Context, name string, role protocol.Role) (*ceremony, error) {
	if err := ctx.Err(); err != nil {
		return nil, toError(ctxError(ctx))
	}
	if name != nameDisconnect {
		if err := s.needPED(); err != nil {
			return nil, err
		}
	}
	c := &ceremony{slot: s, name: name, caller: CallerOf(ctx), role: role, since: time.Now(), done: make(chan struct{})}
	rand.Read(c.id[:])
	c.id[len(c.id)-1] = 0
	if err := s.enter(c, ctx); err != nil {
		return nil, err
	}
	if c.conn != nil {
		c.conn.own() // not under s.mu: the idle handler takes that
	}
	return c, nil
}

func (s *Slot) enter(c *ceremony, ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && c.name != nameDisconnect {
		return errorf(hsmapi.CKR_DEVICE_REMOVED, "", "the slot is closed")
	}
	if s.running != nil {
		return s.running.busy()
	}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	s.running, c.conn = c, s.conn
	return nil
}

// busy tells somebody else who wants the slot what runs.
func (c *ceremony) busy() *Error {
	return errorf(hsmapi.CKR_OPERATION_ACTIVE, "", "this slot is busy: %s%s has been running for %d s, since %s",
		c.name, ByCaller(c.caller), int(time.Since(c.since)/time.Second), c.since.Format(time.TimeOnly))
}

// Await waits until no ceremony runs. When ctx ends first, the error says which
// one does.
func (s *Slot) Await(ctx context.Context) error {
	for {
		s.mu.Lock()
		running := s.running
		s.mu.Unlock()
		if running == nil {
			return nil
		}
		select {
		case <-running.done:
		case <-ctx.Done():
			if ctx.Err() == context.Canceled {
				return toError(ctxError(ctx))
			}
			return running.busy()
		}
	}
}

// Names of ceremonies, as commands and audit records call them.
const (
	nameConnect    = "ped connect"
	nameDisconnect = "ped disconnect"
	nameLogin      = "role login"
	nameChange     = "role changepw"
	nameInit       = "hsm init"
	nameVector     = "ped vector init"
)

// end finishes a ceremony and makes its error presentable.
func (c *ceremony) end(err error) error {
	if c.conn != nil {
		c.conn.outlived()
		c.conn.release(c.conn.onIdle)
		if !c.conn.alive() {
			c.conn.own()
			c.conn.bury()
		}
	}
	c.cancel(nil)
	c.slot.anchorOrWarn()
	c.slot.mu.Lock()
	c.slot.running = nil
	c.slot.mu.Unlock()
	close(c.done)
	if err == nil {
		return nil
	}
	return toError(err)
}

// session returns the connection with a session on it; the orange key may be
// asked for.
func (c *ceremony) session() (*pedConn, error) {
	if c.conn == nil || !c.conn.alive() {
		return nil, errorf(codeUnplugged, hintConnect, "%v", ErrNotConnected).with(ErrNotConnected)
	}
	if err := c.conn.ready(c); err != nil {
		return nil, err
	}
	return c.conn, nil
}

// setConn makes pc the slot's connection.
func (s *Slot) setConn(pc *pedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = pc
	s.ped = PEDInfo{}
}

// connLost forgets a connection that has ended.
func (s *Slot) connLost(pc *pedConn, cause error) {
	s.mu.Lock()
	if s.conn == pc {
		s.conn = nil
		s.ped = PEDInfo{}
	}
	s.mu.Unlock()
	s.o.Log.Info("PED connection ended", "cause", cause)
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.idle != nil { // no ceremony owns it: the keys are ours to forget
		pc.idle = nil
		pc.bury()
	}
}

// bury forgets what a dead connection leaves behind. A session that had no
// close_notify was cut, by whom nobody knows.
func (c *pedConn) bury() {
	if c.s != nil && !c.s.PeerClosed() {
		c.slot.o.Log.Warn("PED session was cut off without an end")
	}
	c.forget()
	c.dropPassword()
}
