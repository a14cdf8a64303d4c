package usbped

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strings"

	"openped/internal/localsock"
	"openped/internal/winacl"
	"openped/protocol"
)

// SocketOpener opens a PED in software at a local socket.
type SocketOpener struct{ Path string }

var _ Opener = SocketOpener{}

// String returns the socket's name: "unix:" and the path, or "pipe:" and the name.
func (o SocketOpener) String() string { return localsock.Name(o.Path) }

// Open implements Opener. Dialling and the opening exchange each end within
// HandshakeTimeout.
func (o SocketOpener) Open(ctx context.Context) (Device, error) {
	dial, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	nc, err := localsock.Dial(dial, o.Path, trust(o.Path))
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("%w: %w", ErrNoAccess, err)
		case errors.Is(err, ErrNoAccess):
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrNoDevice, err)
	}
	h, err := NewHost(ctx, nc)
	if errors.Is(err, ErrInUse) {
		if held := socketHolder(o.Path); held != nil {
			return nil, held
		}
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// PipeOfUser begins the name of a pipe that is a user's, whose name follows.
const PipeOfUser = "openped-softped-"

// trust returns who may be a PED at a socket. A unix socket is in a folder that
// whoever named it has chosen. The name of a pipe is anybody's who takes it first:
// it must be this user's, an administrator's, a service's of softped, or that of
// the user or service whom the name names.
func trust(path string) func(localsock.Peer) error {
	if !localsock.IsPipe(path) {
		return nil
	}
	return func(p localsock.Peer) error {
		services := []string{winacl.ServiceSID("softped")}
		if _, name, ok := strings.Cut(path, PipeOfUser); ok {
			services = append(services, winacl.ServiceSID(name))
			if u, err := user.Lookup(name); err == nil && winacl.Among(p.User, u.Uid) {
				return nil
			}
		}
		if p.Owner || winacl.Among(p.User, services...) {
			return nil
		}
		return &ForeignPipeError{Path: path, User: p.User}
	}
}

// ParseDevice reads what -peddevice takes: the name of a socket, "usb" (the only
// PED) or "usb:SERIAL". The bool is false for anything else. How a PED on a cable is
// opened is told by usb, which gets its serial number or ""; in a program that
// was built without USB it is nil, and opening such a PED is ErrNotBuilt.
func ParseDevice(s string, usb func(serial string) Opener) (Opener, bool) {
	if path, err := localsock.ParseName(s); err == nil {
		return SocketOpener{path}, true
	}
	serial, ok := strings.CutPrefix(s, "usb:")
	switch {
	case s == "usb":
		serial = ""
	case !ok || serial == "" || len(serial) > protocol.MaxSerialText || string(text(serial, len(serial))) != serial:
		return nil, false
	}
	if usb == nil {
		return notBuilt(s), true
	}
	return usb(serial), true
}

// notBuilt is a PED on a cable to a program that was built without USB.
type notBuilt string

func (o notBuilt) String() string                       { return string(o) }
func (o notBuilt) Open(context.Context) (Device, error) { return nil, ErrNotBuilt }
