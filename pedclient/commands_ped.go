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

// address returns where to connect: what the request names, with the usual
// port, or else what `ped set` stored.
func (c *call) address() (host string, port int, err error) {
	host, named := c.in.Text(hsmapi.TagHost)
	n, withPort := c.in.U32(hsmapi.TagPort)
	if withPort && (n < 1 || n > 65535) {
		return "", 0, badArgument("port %d is outside 1 to 65535", n)
	}
	port = DefaultPort
	if !named || host == "" {
		if host, port = c.slot.settings.get(); host == "" {
			return "", 0, &hsmapi.Error{Code: hsmapi.CKR_ARGUMENTS_BAD, Msg: "no PEDserver named, and none is stored for this slot",
				Hint: "give -ip <address>, or store one with `ped set -ip <address>`"}
		}
	}
	if withPort {
		port = int(n)
	}
	return host, port, nil
}

func (c *call) pedConnect() (hsmapi.Fields, error) {
	host, port, err := c.address()
	if err != nil {
		return nil, err
	}
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
	err = c.slot.connect(c.ctx, host, port, password, func() { c.announce(password, show) })
	return nil, err
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
	return nil, c.slot.hsm.Disconnect(ctx)
}

func (c *call) pedSet() (hsmapi.Fields, error) {
	host, _ := c.in.Text(hsmapi.TagHost)
	n, withPort := c.in.U32(hsmapi.TagPort)
	oldHost, oldPort := c.slot.settings.get()
	port := DefaultPort
	switch {
	case host == "" && !withPort:
		return nil, badArgument("neither an address nor a port was given")
	case host == "" && oldHost == "":
		return nil, badArgument("a port without an address")
	case host == "":
		host, port = oldHost, oldPort
	}
	if withPort {
		if n < 1 || n > 65535 {
			return nil, badArgument("port %d is outside 1 to 65535", n)
		}
		port = int(n)
	}
	if err := c.slot.settings.set(host, port); err != nil {
		return nil, &hsm.Error{Code: hsmapi.CKR_DEVICE_ERROR, Msg: "the default could not be stored", Hint: "check the disk and the permissions next to the HSM's state file", Err: err}
	}
	return nil, nil
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
