package pedclient

import (
	"context"
	"fmt"
	"time"

	"openped/hsm"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

func (c *call) pedConnect() (hsmapi.Fields, error) {
	password := c.in.TakeSecret(hsmapi.TagPassword)
	show := false
	switch {
	case password != nil && c.in.Bool(hsmapi.TagWantPassword):
		password.Destroy()
		return nil, badArgument("a password of its own and a random one were asked for")
	case password != nil:
		if err := hsm.CheckPassword(password.Bytes()); err != nil {
			password.Destroy()
			return nil, err
		}
	case c.in.Bool(hsmapi.TagWantPassword):
		password, show = hsm.NewPassword(), true
	}
	defer password.Destroy()
	if c.in.Bool(hsmapi.TagLocal) || c.in.Has(hsmapi.TagDevice) {
		return nil, c.connectLocal(password != nil)
	}
	// What the HSM refuses anyway needs no PEDserver to be named.
	if err := c.slot.check(password != nil); err != nil {
		return nil, err
	}
	w, err := c.way()
	if err != nil {
		return nil, err
	}
	return nil, c.slot.connect(c.ctx, w, password, func() { c.announce(password, show) })
}

// announce calls people to the PED to type the password. Only a random one is
// told: who chose it knows it.
func (c *call) announce(password *secret.Buffer, show bool) {
	var f hsmapi.Fields
	if show {
		f = f.AddSecret(hsmapi.TagPassword, password)
	}
	c.w.progress(c.r, hsmapi.EventPassword, f)
}

func (c *call) pedDisconnect() (hsmapi.Fields, error) {
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
	defer cancel()
	return nil, c.slot.disconnect(ctx)
}

func (c *call) vectorInit() (hsmapi.Fields, error) {
	return nil, c.slot.hsm.InitRPV(c.ctx, c.grant(protocol.RoleSO), c.console(0))
}

func (c *call) hsmInit() (hsmapi.Fields, error) {
	label, _ := c.in.Text(hsmapi.TagLabel)
	if label == "" {
		return nil, badArgument("the HSM needs a label")
	}
	return nil, c.slot.hsm.InitHSM(c.ctx, hsm.InitOptions{Label: label, Grant: c.grant(protocol.RoleSO), Force: c.in.Bool(hsmapi.TagForce)}, c.console(0))
}

func (c *call) login() (hsmapi.Fields, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	if c.grant(r) != nil {
		return nil, &hsmapi.Error{Code: hsmapi.CKR_USER_ALREADY_LOGGED_IN, Msg: fmt.Sprintf("%v is logged in already", r)}
	}
	g, err := c.slot.hsm.Login(c.ctx, r, c.console(r))
	if err != nil {
		return nil, err
	}
	c.keep(g)
	return nil, nil
}

func (c *call) logout() (hsmapi.Fields, error) {
	only, named := c.in.U8(hsmapi.TagRole)
	c.w.mu.Lock()
	var ended []*hsm.Grant
	for r, g := range c.w.grants[c.slot] {
		if !named || r == protocol.Role(only) {
			if g.Valid() {
				ended = append(ended, g)
			}
			delete(c.w.grants[c.slot], r)
		}
	}
	c.w.mu.Unlock()
	for _, g := range ended {
		g.Release()
	}
	if len(ended) == 0 {
		return nil, &hsmapi.Error{Code: hsmapi.CKR_USER_NOT_LOGGED_IN, Msg: "nobody is logged in on this connection"}
	}
	return nil, nil
}

func (c *call) changePIN() (hsmapi.Fields, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	return nil, c.slot.hsm.ChangePIN(c.ctx, r, c.console(r))
}
