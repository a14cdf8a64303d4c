package pedclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"

	"openped/certs/linkid"
	"openped/hsm"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// secure says who is at the other end of a link with TLS. What is registered
// can change while pedclient runs, so it is asked for at each use.
type secure struct {
	identity func() *linkid.Identity // may be nil, and so may what it returns
	servers  func() *linkid.Registry
	refused  func(linkid.Reason) // counts; may be nil
}

func (s *secure) own() *linkid.Identity {
	if s.identity == nil {
		return nil
	}
	return s.identity()
}

func (s *secure) registry() *linkid.Registry {
	if s.servers == nil {
		return nil
	}
	return s.servers()
}

func untrusted(msg, hint string, cause error) *hsm.Error {
	return &hsm.Error{Code: hsmapi.CKR_PEDSERVER_UNTRUSTED, Msg: msg, Hint: hint, Err: cause}
}

const (
	hintRegister = "register its certificate with `pedclient -pedserver register -name <name> -certificate <file>`"
	hintList     = "`pedclient -pedserver list` shows those that are"
)

// ready refuses what can be known before anybody is called.
func (s *secure) ready(to Target) error {
	if !to.TLS {
		return nil
	}
	reg := s.registry()
	switch {
	case s.own() == nil:
		return untrusted("this host has no TLS identity", "make one with `pedclient -regen -commonname <name>` and register its certificate at the PEDserver", linkid.ErrNoIdentity)
	case len(reg.Peers()) == 0:
		return untrusted("no PEDserver is registered here", hintRegister, linkid.ErrNotRegistered)
	case to.PEDServer != "":
		return s.known(to.PEDServer)
	}
	return nil
}

// known refuses a name that no PEDserver is registered under.
func (s *secure) known(name string) error {
	if _, ok := s.registry().Lookup(name); ok {
		return nil
	}
	return untrusted("no PEDserver "+name+" is registered here", hintList+"; "+hintRegister, linkid.ErrNotRegistered)
}

// client does the handshake with a PEDserver that was called. The conn is closed
// if that fails. Errors are *hsm.Error, but for the end of ctx.
func (s *secure) client(ctx context.Context, c net.Conn, to Target) (*linkid.Conn, error) {
	tc, err := linkid.Client(ctx, c, s.own(), s.registry(), to.PEDServer)
	if err == nil {
		return tc, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	var refused *linkid.RefusedError
	if !errors.As(err, &refused) {
		return nil, untrusted(fmt.Sprintf("no TLS with the PEDserver at %v: %v", to, err), "see `pedclient -mode config -show`", err)
	}
	if s.refused != nil {
		s.refused(refused.Reason)
	}
	return nil, refusedError(to, refused)
}

// refusedError says why a PEDserver that was called is not talked to. One that
// does not serve this host says so before it looks for TLS.
func refusedError(to Target, e *linkid.RefusedError) *hsm.Error {
	if e.Reason == linkid.NotTLS {
		if f, err := protocol.ReadFrame(bytes.NewReader(e.Before)); err == nil {
			if b, err := f.Decode(); err == nil {
				if said, ok := b.(protocol.Error); ok {
					return linkError(said.Code, to.String())
				}
			}
		}
	}
	if e.Reason == linkid.TooSlow {
		return unplugged(fmt.Sprintf("the PEDserver at %v did not finish the TLS handshake in time", to), "check the network, and that TLS is not switched off there", e)
	}
	return untrusted(fmt.Sprintf("TLS with the PEDserver at %v: %v", to, e), "compare `pedclient -pedserver list` with `pedserver -mode show` there", e)
}
