package hsm

import (
	"context"
	"errors"
	"time"

	"openped/internal/audit"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/protocol/hsmapi"
)

// stage is how far a connection's channel has come.
type stage uint8

const (
	stageNone    stage = iota // nothing, or what there was has ended
	stageProven               // HsmProof is sent; Begin is not
	stageSession              // both tags have verified
)

// pedConn is the connection to a PED: one frame conn that carries one channel
// after the other. Its fields belong to the ceremony that owns the link, or,
// while none does, to the link's idle handler.
type pedConn struct {
	*link
	slot     *Slot
	mode     channel.Mode   // local for good; otp becomes rpv when its password is used up
	password *secret.Buffer // otp, until it is used up
	stage    stage
	u        *channel.U
	s        *channel.Session
	born     time.Time   // of the session
	life     *time.Timer // ends it while nobody uses it
	proofs   int         // handshakes begun on this connection
	ended    []protocol.CeremonyID
}

// ConnectOptions say how the PED is to authenticate.
type ConnectOptions struct {
	// Password is the one-time password, 8 ASCII digits: only for an HSM without
	// RPV. Nil: the orange key. It stays the caller's.
	Password *secret.Buffer
}

// CheckConnect reports whether Connect could succeed, so that nothing needs to
// be dialled, and no password shown, for an answer known before. A local PED is
// not in the way: the remote one takes its place.
func (s *Slot) CheckConnect(withPassword bool) error {
	if err := s.needPED(); err != nil {
		return err
	}
	if mode, ok := s.connected(); ok && mode != channel.ModeLocal {
		return errorf(hsmapi.CKR_OPERATION_ACTIVE, "run `ped disconnect` first", "this HSM has a PED connected")
	}
	err := s.needRPV()
	if !withPassword {
		return err
	}
	if err == nil {
		return errorf(hsmapi.CKR_RPV_INITIALIZED, "", "a one-time password is only for an HSM without a remote PED vector")
	}
	return nil
}

// connected returns the mode of the connection that lasts, if there is one.
func (s *Slot) connected() (channel.Mode, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || !s.conn.alive() {
		return 0, false
	}
	return s.conn.mode, true
}

// needRPV refuses for an HSM without RPV.
func (s *Slot) needRPV() error {
	var has bool
	s.d.View(func(st *State) { has = st.RPV != nil })
	if !has {
		return errorf(hsmapi.CKR_RPV_NOT_INITIALIZED, "", "the HSM has no remote PED vector")
	}
	return nil
}

// Connect takes fc over, also when it fails, and proves this HSM to the PED,
// within 10 s. With the orange key it then returns: the PED asks for it when the
// first ceremony needs it. With a password it waits until somebody has typed it
// at the PED, for at most 10 minutes; the password is used up as soon as the PED
// has answered, whatever comes of it.
func (s *Slot) Connect(ctx context.Context, fc FrameConn, o ConnectOptions) (err error) {
	pc := &pedConn{slot: s, mode: channel.ModeRPV}
	c, err := s.begin(ctx, nameConnect, 0)
	if err != nil {
		fc.Close()
		return err
	}
	defer func() { err = c.end(err) }()
	if err := s.CheckConnect(o.Password != nil); err != nil {
		fc.Close()
		return err
	}
	if o.Password != nil {
		if err := s.checkUnused(o.Password.Bytes()); err != nil {
			fc.Close()
			return err
		}
		pc.mode, pc.password = channel.ModeOTP, secret.Copy(o.Password.Bytes())
	}
	return c.connect(pc, fc)
}

// connect makes pc, over fc, the slot's connection. In the modes that need no
// orange key it is not done before both sides have proved themselves.
func (c *ceremony) connect(pc *pedConn, fc FrameConn) error {
	if old := c.conn; old != nil { // local and idle, or it has just died: this ceremony's to bury
		if old.alive() {
			old.close()
			old.fail(errReplaced)
		}
		old.bury()
	}
	pc.link = newLink(fc, func(cause error) { pc.slot.connLost(pc, cause) })
	c.conn = pc
	pc.slot.setConn(pc)
	pc.start()
	err := pc.prove(c.ctx)
	if err == nil && pc.mode != channel.ModeRPV {
		err = pc.agree(c)
	}
	r := audit.Record{Event: nameConnect, Result: "done: " + pc.mode.String()}
	if err != nil {
		r.Result = outcome(err)
		pc.close()
		pc.fail(err)
	}
	c.log(r)
	return err
}

// Disconnect ends the connection, and the ceremony that may be running over it.
// Logins stay. It is no error if there is none.
func (s *Slot) Disconnect(ctx context.Context) error {
	for {
		s.mu.Lock()
		running, pc := s.running, s.conn
		s.mu.Unlock()
		if pc == nil {
			return nil
		}
		c, err := s.begin(ctx, nameDisconnect, 0)
		if err == nil {
			if c.conn != nil {
				c.conn.close()
				c.conn.fail(errDisconnected)
				c.log(audit.Record{Event: nameDisconnect, Result: "done"})
			}
			return c.end(nil)
		}
		if toError(err).Code != hsmapi.CKR_OPERATION_ACTIVE { // ctx has ended: no time for a ceremony
			pc.fail(errDisconnected)
			return err
		}
		if running == nil {
			continue
		}
		running.cancel(context.Canceled)
		select {
		case <-running.done:
		case <-ctx.Done():
			pc.fail(errDisconnected)
			return toError(ctxError(ctx))
		}
	}
}

// Why a connection that worked was ended by this side.
var (
	errDisconnected = errors.New("disconnected on request")
	errZeroized     = errors.New("the HSM was zeroized")
	errReplaced     = errors.New("a remote PED took its place")
)

// onIdle takes what comes while no ceremony runs. An error ends the connection.
func (c *pedConn) onIdle(frame []byte) error {
	switch c.stage {
	case stageNone: // late records of a session that was closed
		return nil
	case stageProven: // nothing may be said before Begin but the alert
		c.forget()
		c.publish()
		if !channel.IsAlert(frame) {
			return errProtocol
		}
		return nil
	}
	kind, payload, err := c.s.Open(frame)
	switch {
	case errors.Is(err, channel.ErrAlert), err == nil && kind == channel.KindCloseNotify:
		c.forget()
		c.publish()
		return nil
	case err != nil:
		c.forget()
		c.publish()
		return err
	case kind == channel.KindActivity:
		return nil
	}
	// A Cancel that crossed our End, or an answer that crossed our Cancel.
	m, err := protocol.DecodeMessage(payload)
	clear(payload)
	if err == nil && c.hasEnded(protocol.CeremonyOf(m)) {
		return nil
	}
	c.forget()
	c.publish()
	return errProtocol
}

func (c *pedConn) dropPassword() {
	c.password.Destroy()
	c.password = nil
}

// name is the PED as audit records call it.
func (c *pedConn) name() string {
	info := c.slot.Connected()
	return pedName(info.Serial, info.Firmware)
}

func pedName(serial, firmware string) string {
	if serial == "" {
		return ""
	}
	return serial + " " + firmware
}
