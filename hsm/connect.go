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

// Lives of sessions. A ceremony that begins late in a session's life gets a new
// one; one that outlives the hard limit is ended.
const (
	sessionFresh = 23 * time.Hour
	sessionLimit = 24 * time.Hour
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
	mode     channel.Mode
	password *secret.Buffer // otp, until it is used up
	stage    stage
	u        *channel.U
	s        *channel.Session
	born     time.Time // of the session
	proofs   int       // handshakes begun on this connection
	ended    []protocol.CeremonyID
}

// ConnectOptions say how the PED is to authenticate.
type ConnectOptions struct {
	// Password is the one-time password, 8 ASCII digits: only for an HSM without
	// RPV. Nil: the orange key. It stays the caller's.
	Password *secret.Buffer
}

// CheckConnect reports whether Connect could succeed, so that nothing needs to
// be dialled, and no password shown, for an answer known before.
func (s *Slot) CheckConnect(withPassword bool) error {
	s.mu.Lock()
	connected := s.conn != nil && s.conn.alive()
	s.mu.Unlock()
	if connected {
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
	pc.link = newLink(fc, func(cause error) { s.connLost(pc, cause) })
	s.setConn(pc)
	c.conn = pc
	err = pc.prove(c.ctx)
	if err == nil && pc.mode == channel.ModeOTP {
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
)

// prove runs Hello, Reply and HsmProof, which need nobody.
func (c *pedConn) prove(ctx context.Context) error {
	c.forget()
	if c.mode == channel.ModeOTP && c.password == nil { // it was good for one session
		c.mode = channel.ModeRPV
	}
	if c.mode == channel.ModeRPV {
		if err := c.slot.needRPV(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, proofTime, errSilent)
	defer cancel()
	var label string
	// The RPV in force: the PED takes this set from an orange key that a crash
	// left two on, and no other one from its cache.
	var live protocol.SetID
	c.slot.d.View(func(st *State) {
		label = st.Label
		if c.mode == channel.ModeRPV && st.RPV != nil {
			live = st.RPV.Set
		}
	})
	u, hello, err := channel.NewU(channel.UConfig{
		Mode: c.mode, Serial: c.slot.id.Serial, Label: label, Firmware: c.slot.id.Firmware, LiveSet: live,
		Chain: c.slot.chain, Static: c.slot.static, Password: c.password.Bytes(), Verifier: c.slot.rpks,
		Limits: c.slot.limits,
	})
	if err != nil {
		return err
	}
	c.u = u
	c.proofs++
	if err := c.send(hello); err != nil {
		return c.handshakeFailed(err)
	}
	reply, err := c.reply(ctx)
	if err != nil {
		return c.handshakeFailed(err)
	}
	proof, err := u.Reply(reply)
	if err != nil {
		return c.handshakeFailed(err)
	}
	if err := c.send(proof); err != nil {
		return c.handshakeFailed(err)
	}
	c.stage = stageProven
	c.publish()
	return nil
}

// reply waits for what answers Hello. Records of a session that has just been
// closed may still be under way; they are of no use to anyone.
func (c *pedConn) reply(ctx context.Context) ([]byte, error) {
	for {
		f, err := c.recv(ctx, proofTime)
		if err != nil {
			return nil, err
		}
		if c.proofs > 1 && len(f) >= channel.HeaderSize && !channel.IsAlert(f) && channel.Type(f[0]) != channel.TypeReply {
			continue
		}
		return f, nil
	}
}

// agree sends Begin and finishes the handshake; the PED may be asking somebody
// for the orange key or the password.
func (c *pedConn) agree(cer *ceremony) error {
	ctx := cer.ctx
	if c.mode == channel.ModeOTP {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, passwordTime)
		defer cancel()
	}
	rec, err := c.u.Begin()
	if err != nil {
		return c.handshakeFailed(err)
	}
	cer.attend()
	if err := c.send(rec); err != nil {
		return c.handshakeFailed(err)
	}
	for ev := channel.UActivity; ev == channel.UActivity; {
		if rec, err = c.recv(ctx, silentTime); err == nil {
			ev, err = c.u.Receive(rec)
		}
		if err != nil {
			return c.handshakeFailed(err)
		}
	}
	auth := c.u.Auth()
	session, confirm, err := c.finish(ctx, auth)
	if err != nil {
		var refused *channel.RefusedError
		if errors.As(err, &refused) {
			cer.log(audit.Record{Event: "ped-session", PED: pedName(auth.Serial, auth.Firmware), Result: "refused: " + refused.Cause.Error()})
		}
		return c.handshakeFailed(err)
	}
	if err := c.send(confirm); err != nil {
		session.Wipe()
		return c.handshakeFailed(err)
	}
	c.u, c.s, c.stage, c.born, c.ended = nil, session, stageSession, c.slot.o.Now(), nil
	c.slot.setPED(auth.Serial, auth.Firmware)
	c.publish()
	cer.log(audit.Record{Event: "ped-session", PED: c.name(), Result: c.mode.String()})
	if err := checkPED(c.slot.id.Firmware, auth.Firmware); err != nil {
		cer.log(audit.Record{Event: "ped-session", PED: c.name(), Result: "firmware refused"})
		c.close()
		return err
	}
	return nil
}

// finish looks at MacTagV, after what has to be durable before that.
func (c *pedConn) finish(ctx context.Context, auth *channel.PedAuth) (*channel.Session, []byte, error) {
	if c.mode == channel.ModeOTP {
		if err := c.slot.useUp(c.password.Bytes()); err != nil {
			return nil, nil, err
		}
		c.dropPassword()
		return c.u.Finish(nil)
	}
	before, err := c.slot.countHandshake(auth.RPKFP)
	if err != nil {
		return nil, nil, err
	}
	if err := sleep(ctx, slowDown(before)); err != nil {
		return nil, nil, err
	}
	// A copy: the record may be replaced while the channel computes.
	rpv := c.slot.rpv()
	defer rpv.Destroy()
	session, confirm, err := c.u.Finish(rpv.Bytes())
	if err != nil {
		return nil, nil, err
	}
	if err := c.slot.goodHandshake(auth.RPKFP); err != nil {
		session.Wipe()
		return nil, nil, err
	}
	return session, confirm, nil
}

// ready makes sure that there is a session young enough for a ceremony.
func (c *pedConn) ready(cer *ceremony) error {
	if c.stage == stageSession && (c.s.Expired() || c.slot.o.Now().Sub(c.born) > sessionFresh) {
		c.close()
	}
	if c.stage == stageSession {
		return nil
	}
	if c.stage == stageNone {
		old := c.proofs > 0
		err := c.prove(cer.ctx)
		if err != nil && old && errors.Is(err, channel.ErrAlert) {
			// It may have been about what came before; nobody was asked anything.
			err = c.prove(cer.ctx)
		}
		if err != nil {
			return err
		}
	}
	return c.agree(cer)
}

// handshakeFailed ends a handshake: the PED learns that it is over, not why. A
// connection that still answers stays for the next one.
func (c *pedConn) handshakeFailed(err error) error {
	var l lost
	switch {
	case errors.As(err, &l), errors.Is(err, channel.ErrAlert), errors.Is(err, channel.ErrPedCancelled):
	case errors.Is(err, errSilent):
		c.fail(err)
	default:
		_ = c.send(channel.AlertRecord())
	}
	c.forget()
	c.publish()
	if r := (*channel.RefusedError)(nil); errors.As(err, &r) {
		c.slot.o.Log.Warn("channel refused", "stage", r.Stage, "cause", r.Cause)
	}
	return err
}

// forget wipes whatever channel there is.
func (c *pedConn) forget() {
	if c.u != nil {
		c.u.Wipe()
	}
	if c.s != nil {
		c.s.Wipe()
	}
	c.u, c.s, c.stage, c.ended = nil, nil, stageNone, nil
}

// close ends the channel in good order; the connection stays.
func (c *pedConn) close() {
	switch {
	case c.s != nil:
		if rec, err := c.s.Close(); err == nil {
			_ = c.send(rec)
		}
	case c.u != nil:
		_ = c.send(channel.AlertRecord())
	}
	c.forget()
	c.publish()
}

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

// sleep waits, or returns the context's cause.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctxError(ctx)
	}
}
