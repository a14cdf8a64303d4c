package pedclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"openped/hsm"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// handlers are the commands of the HSM socket.
var handlers = map[hsmapi.Command]func(*call) (hsmapi.Fields, error){
	hsmapi.SlotList:      (*call).slotList,
	hsmapi.SlotInfo:      (*call).slotInfo,
	hsmapi.PedConnect:    (*call).pedConnect,
	hsmapi.PedDisconnect: (*call).pedDisconnect,
	hsmapi.PedSet:        (*call).pedSet,
	hsmapi.PedShow:       (*call).pedShow,
	hsmapi.VectorInit:    (*call).vectorInit,
	hsmapi.HsmInit:       (*call).hsmInit,
	hsmapi.Login:         (*call).login,
	hsmapi.Logout:        (*call).logout,
	hsmapi.ChangePIN:     (*call).changePIN,
	hsmapi.AuditShow:     (*call).auditShow,
	hsmapi.AuditVerify:   (*call).auditVerify,
}

// call is one command with what it was given.
type call struct {
	ctx  context.Context
	w    *caller
	r    *request
	in   hsmapi.Fields
	slot *slot // nil for slot list
}

// run carries out a request. Errors are *hsmapi.Error.
func (w *caller) run(ctx context.Context, r *request, in hsmapi.Fields) (hsmapi.Fields, error) {
	n, _ := in.U16(hsmapi.TagCommand)
	cmd := hsmapi.Command(n)
	h := handlers[cmd]
	if h == nil {
		return nil, &hsmapi.Error{Code: hsmapi.CKR_FUNCTION_NOT_SUPPORTED, Msg: "pedclient does not know this command"}
	}
	c := &call{ctx: ctx, w: w, r: r, in: in}
	if cmd != hsmapi.SlotList {
		num, ok := in.U32(hsmapi.TagSlot)
		if !ok {
			return nil, badArgument("no slot named")
		}
		if c.slot = w.client.slot(num); c.slot == nil {
			return nil, &hsmapi.Error{Code: hsmapi.CKR_SLOT_ID_INVALID, Msg: fmt.Sprintf("there is no slot %d", num)}
		}
	}
	begin := time.Now()
	var out hsmapi.Fields
	var err error
	if ceremonies[cmd] && cmd != hsmapi.PedConnect {
		err = c.slot.ready(ctx)
	}
	if err == nil {
		out, err = h(c)
	}
	err = w.outcome(c, cmd, begin, err)
	w.client.counts.done(cmd, time.Since(begin), err)
	return out, err
}

// outcome logs how a command went and makes its error one that the caller may
// see.
func (w *caller) outcome(c *call, cmd hsmapi.Command, begin time.Time, err error) error {
	log := w.log.With("command", cmd.String(), "took", time.Since(begin).Round(time.Millisecond))
	if c.slot != nil {
		log = log.With("slot", c.slot.num)
	}
	if err == nil {
		log.Info("done")
		return nil
	}
	var api *hsmapi.Error
	if c.slot != nil {
		err = c.slot.explain(err)
	}
	var he *hsm.Error
	switch {
	case errors.As(err, &api):
	case errors.As(err, &he):
		api = &hsmapi.Error{Code: he.Code, Msg: he.Msg, Hint: he.Hint}
	default:
		api = &hsmapi.Error{Code: hsmapi.CKR_GENERAL_ERROR}
	}
	var cause error
	if he != nil {
		cause = he.Err
	} else if api.Msg != err.Error() {
		cause = err
	}
	log.Warn("failed", "code", api.Code.String(), "msg", api.Msg, "cause", cause)
	return api
}

func badArgument(format string, args ...any) error {
	return &hsmapi.Error{Code: hsmapi.CKR_ARGUMENTS_BAD, Msg: fmt.Sprintf(format, args...)}
}

// role returns the role that a request names.
func (c *call) role() (protocol.Role, error) {
	n, ok := c.in.U8(hsmapi.TagRole)
	r := protocol.Role(n)
	if !ok || !r.Valid() || r == protocol.RoleDomain || r == protocol.RoleRPV {
		return 0, &hsmapi.Error{Code: hsmapi.CKR_USER_TYPE_INVALID, Msg: "no role that can log in was named"}
	}
	return r, nil
}

// grant returns the caller's login of a role on the slot, or nil.
func (c *call) grant(r protocol.Role) *hsm.Grant {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	g := c.w.grants[c.slot][r]
	if !g.Valid() {
		return nil
	}
	return g
}

func (c *call) keep(g *hsm.Grant) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.w.grants[c.slot] == nil {
		c.w.grants[c.slot] = map[protocol.Role]*hsm.Grant{}
	}
	c.w.grants[c.slot][g.Role()] = g
}

// console returns the way to the caller's person. With a role whose failed
// logins erase the HSM, it is told how many are left.
func (c *call) console(r protocol.Role) *console {
	con := &console{w: c.w, r: c.r}
	if r == protocol.RoleSO {
		if left := c.slot.hsm.Info().SOAttemptsLeft; left > 0 {
			con.caution = hsmapi.Fields{}.AddU8(hsmapi.TagRole, uint8(r)).AddU32(hsmapi.TagAttempts, uint32(left))
		}
	}
	return con
}
