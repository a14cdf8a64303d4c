package hsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"openped/internal/audit"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/rpv"
)

// Login lets a quorum of the role's keys log in. Each failed login is counted
// before its outcome is known, and has the consequence of the role table.
func (s *Slot) Login(ctx context.Context, role protocol.Role, p Prompter) (g *Grant, err error) {
	c, err := s.begin(ctx, nameLogin, role)
	if err != nil {
		return nil, err
	}
	defer func() { err = c.finish(err) }()
	c.prompt = p
	joined, vault, err := c.authenticate(role)
	if err != nil {
		return nil, err
	}
	joined.Destroy()
	vault.Destroy()
	return s.grant(role, c.caller), nil
}

// authenticate collects a quorum of a role's shares and returns the joined
// secret with what it has unsealed; the caller destroys both.
func (c *ceremony) authenticate(role protocol.Role) (joined, vault *secret.Buffer, err error) {
	sp, err := login(role)
	if err != nil {
		return nil, nil, err
	}
	rec, err := c.attempt(sp)
	if err != nil {
		return nil, nil, err
	}
	if err := c.start(); err != nil {
		return nil, nil, err
	}
	o, err := c.operate(role, func(id protocol.CeremonyID) protocol.Message {
		return &protocol.Authenticate{Ceremony: id, Role: role, KeyType: sp.key,
			TimeoutSec: c.slot.timeout, LastTry: sp.attemptsLeft(rec) == 1}
	})
	if err == nil {
		joined, vault, err = o.collect(sp, rec)
	}
	if err != nil {
		if o != nil {
			err = o.abort(err)
		}
		return nil, nil, err
	}
	return joined, vault, nil
}

// attempt checks that the role exists and may try, and asks before a last try
// that would zeroize the HSM.
func (c *ceremony) attempt(sp roleSpec) (rec RoleRecord, err error) {
	exists, spent := false, false
	c.slot.d.View(func(st *State) {
		rec, exists = st.Roles[sp.role]
		rec.Sealed = bytes.Clone(rec.Sealed)
		spent = sp.overdue(st)
	})
	switch {
	case !exists:
		hint := "initialize the HSM with `hsm init`"
		if sp.role != protocol.RoleSO {
			hint = ""
		}
		return rec, errorf(hsmapi.CKR_USER_PIN_NOT_INITIALIZED, hint, "there is no %v yet", sp.role)
	case rec.Locked:
		return rec, errorf(hsmapi.CKR_PIN_LOCKED, "", "%v is locked by failed logins", sp.role)
	case spent: // an earlier consequence could not be stored
		if err := c.punish(sp); err != nil {
			return rec, err
		}
		c.leave(sp)
		return rec, sp.spentError()
	}
	if sp.then == zeroizeHSM && sp.attemptsLeft(rec) == 1 {
		err = c.confirm(Prompt{ID: hsmapi.PromptLastAttempt, Role: sp.role, AttemptsLeft: 1},
			errorf(hsmapi.CKR_FUNCTION_CANCELED, "confirm at the console to use the last attempt",
				"this is the last attempt before the HSM is zeroized, and it was not confirmed"))
	}
	return rec, err
}

// collect takes shares until there are M, and gives one verdict.
func (o *operation) collect(sp roleSpec, rec RoleRecord) (joined, vault *secret.Buffer, err error) {
	q := quorum{need: int(rec.M)}
	defer q.destroy()
	for {
		kp, use, err := o.present(&q, rec.Set)
		if err != nil {
			return nil, nil, err
		}
		sh, err := expect[*protocol.Share](o)
		if err != nil {
			return nil, nil, err
		}
		if sh.Key != kp.Key || sh.Set != use {
			return nil, nil, fmt.Errorf("%w: share of another key", errProtocol)
		}
		value, err := o.unwrap(protocol.OpAuthenticate, sh.Set, sh.Index, sh.Wrapped)
		if err != nil {
			return nil, nil, err
		}
		if sh.Set != rec.Set || sh.M != rec.M || sh.N != rec.N {
			value.Destroy()
			return nil, nil, o.fail(sp)
		}
		if !q.add(sh, value) {
			if err := errors.Join(o.send(q.result(o.id, protocol.ShareSame)), o.refuse()); err != nil {
				return nil, nil, err
			}
			continue
		}
		if !q.full() {
			if err := o.send(q.result(o.id, protocol.ShareMore)); err != nil {
				return nil, nil, err
			}
			continue
		}
		return o.verdict(sp, rec, &q)
	}
}

// verdict counts the attempt, joins the shares, and only then knows.
func (o *operation) verdict(sp roleSpec, rec RoleRecord, q *quorum) (joined, vault *secret.Buffer, err error) {
	if err := o.cer.count(sp); err != nil {
		return nil, nil, err
	}
	joined, err = rpv.Join(q.shares)
	if err != nil {
		return nil, nil, o.condemn(sp)
	}
	vault, err = binding{o.cer.slot.id.Serial, sp.role, rec.Set}.unseal(joined, rec.Sealed)
	if err != nil {
		joined.Destroy()
		return nil, nil, o.condemn(sp)
	}
	err = o.cer.slot.d.Update(func(st *State) error {
		r := st.Roles[sp.role]
		r.Failures = 0
		st.Roles[sp.role] = r
		return nil
	})
	if err != nil {
		err = driverError(err)
	} else {
		o.cer.set = rec.Set
		err = errors.Join(o.send(q.result(o.id, protocol.ShareDone)), o.finish(protocol.EndOK))
	}
	if err != nil {
		joined.Destroy()
		vault.Destroy()
		return nil, nil, err
	}
	return joined, vault, nil
}

// count adds a failed login, durably: the attempt has failed until it is known
// to have succeeded.
func (c *ceremony) count(sp roleSpec) error {
	if err := c.slot.d.Update(func(st *State) error { sp.countFailure(st); return nil }); err != nil {
		return driverError(err)
	}
	return nil
}

// fail counts a login with keys of another set and gives the verdict.
func (o *operation) fail(sp roleSpec) error {
	if err := o.cer.count(sp); err != nil {
		return err
	}
	return o.condemn(sp)
}

// condemn draws the consequence of a counted failure, tells the PED and returns
// the error for the caller. The PED hears nothing before the consequence is
// durable.
func (o *operation) condemn(sp roleSpec) error {
	c := o.cer
	left := 0
	c.slot.d.View(func(st *State) { left = sp.attemptsLeft(st.Roles[sp.role]) })
	var err *Error
	if left == 0 {
		if perr := c.punish(sp); perr != nil {
			return perr
		}
		err = sp.spentError()
	} else {
		err = errorf(hsmapi.CKR_PIN_INCORRECT, fmt.Sprintf("check keys and PINs; attempts left before the consequence: %d", left),
			"login failed: a wrong key or a wrong PIN")
	}
	if serr := errors.Join(o.send(&protocol.ShareResult{Ceremony: o.id, Status: protocol.ShareFailed}), o.finish(protocol.EndFailed)); serr != nil {
		_ = o.abort(serr)
	}
	if left == 0 {
		c.leave(sp)
	}
	return err
}

// leave ends the connection to the PED if the HSM was zeroized: its RPV is gone.
func (c *ceremony) leave(sp roleSpec) {
	if sp.then == zeroizeHSM && c.conn != nil {
		c.conn.close()
		c.conn.fail(errZeroized)
	}
}

// punish makes the consequence of spent attempts durable.
func (c *ceremony) punish(sp roleSpec) error {
	if err := c.slot.d.Update(func(st *State) error { sp.punish(st); return nil }); err != nil {
		return driverError(err)
	}
	if sp.then == zeroizeHSM {
		c.slot.revoke()
	}
	c.log(audit.Record{Event: "attempts-spent", Result: sp.verdict()})
	c.slot.o.Log.Warn("login attempts spent", "role", sp.role, "result", sp.verdict())
	return nil
}

// verdict names the consequence.
func (sp roleSpec) verdict() string {
	if sp.then == zeroizeHSM {
		return "HSM zeroized"
	}
	return "role locked"
}

func (sp roleSpec) spentError() *Error {
	if sp.then == zeroizeHSM {
		return errorf(hsmapi.CKR_HSM_ZEROIZED, "connect with `ped connect -password` or `ped connect -local`, then `ped vector init` and `hsm init`",
			"too many failed logins as %v: the HSM has been zeroized", sp.role)
	}
	return errorf(hsmapi.CKR_PIN_LOCKED, "", "too many failed logins as %v: the role is locked", sp.role)
}
