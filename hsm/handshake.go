package hsm

import (
	"context"
	"errors"
	"time"

	"openped/internal/audit"
	"openped/protocol"
	"openped/protocol/channel"
)

// prove runs Hello, Reply and HsmProof, which need nobody.
func (c *pedConn) prove(ctx context.Context) error {
	c.forget()
	if c.mode == channel.ModeOTP && c.password == nil { // it was good for one session
		c.mode = channel.ModeRPV
	}
	if c.mode == channel.ModeRPV {
		if err := c.slot.needRPV(); err != nil {
			c.fail(err) // a one-time password's session has ended: only a new connection can have another
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
	cfg := channel.UConfig{
		Mode: c.mode, Serial: c.slot.id.Serial, Label: label, Firmware: c.slot.id.Firmware, LiveSet: live,
		Chain: c.slot.chain, Static: c.slot.static, Password: c.password.Bytes(), Verifier: c.slot.rpks,
		Limits: c.slot.limits,
	}
	var u *channel.U
	var hello []byte
	var err error
	inTurn(func() { u, hello, err = channel.NewU(cfg) })
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
	var proof []byte
	inTurn(func() { proof, err = u.Reply(reply) })
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
	// Until PedAuth the PED is nobody in particular: its activity keeps the slot
	// busy for so long and no longer.
	limit := orangeTime
	switch c.mode {
	case channel.ModeOTP:
		limit = passwordTime
	case channel.ModeLocal: // nobody is asked
		limit = proofTime
	}
	ctx, cancel := context.WithTimeout(cer.ctx, limit)
	defer cancel()
	rec, err := c.u.Begin()
	if err != nil {
		return c.handshakeFailed(err)
	}
	if c.mode != channel.ModeLocal {
		cer.attend()
	}
	if err := c.send(rec); err != nil {
		return c.handshakeFailed(err)
	}
	for ev := channel.UActivity; ev == channel.UActivity; {
		if rec, err = c.recv(ctx, silentTime); err == nil {
			inTurn(func() { ev, err = c.u.Receive(rec) })
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
			// Not the name it gave itself: nothing has shown that it is true.
			cer.log(audit.Record{Event: "ped-session", Result: "refused: " + refused.Cause.Error()})
		}
		return c.handshakeFailed(err)
	}
	if err := c.send(confirm); err != nil {
		session.Wipe()
		return c.handshakeFailed(err)
	}
	c.live(session)
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
	switch c.mode {
	case channel.ModeOTP:
		if err := c.slot.useUp(c.password.Bytes()); err != nil {
			return nil, nil, err
		}
		c.dropPassword()
		return c.conclude(nil)
	case channel.ModeLocal:
		return c.conclude(nil)
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
	session, confirm, err := c.conclude(rpv.Bytes())
	if err != nil {
		return nil, nil, err
	}
	if err := c.slot.goodHandshake(auth.RPKFP); err != nil {
		session.Wipe()
		return nil, nil, err
	}
	return session, confirm, nil
}

// conclude verifies MacTagV and makes the session.
func (c *pedConn) conclude(rpv []byte) (session *channel.Session, confirm []byte, err error) {
	inTurn(func() { session, confirm, err = c.u.Finish(rpv) })
	return session, confirm, err
}

// ready makes sure that there is a session with room for an operation.
func (c *pedConn) ready(cer *ceremony) error {
	if err := c.catchUp(); err != nil {
		return err
	}
	if c.stale() {
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
		c.life.Stop()
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
