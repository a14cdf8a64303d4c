package usbped

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"

	"openped/protocol"
)

// SocketOpener opens a PED in software at a unix socket.
type SocketOpener struct{ Path string }

var _ Opener = SocketOpener{}

// String returns "unix:" and the path.
func (o SocketOpener) String() string { return "unix:" + o.Path }

// Open implements Opener. Dialling and the opening exchange each end within
// HandshakeTimeout.
func (o SocketOpener) Open(ctx context.Context) (Device, error) {
	dialer := net.Dialer{Timeout: HandshakeTimeout}
	nc, err := dialer.DialContext(ctx, "unix", o.Path)
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("%w: %w", ErrNoAccess, err)
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

// ParseDevice reads what -peddevice takes: "unix:PATH", "usb" (the only PED) or
// "usb:SERIAL". The bool is false for anything else. How a PED on a cable is
// opened is told by usb, which gets its serial number or ""; in a program that
// was built without USB it is nil, and opening such a PED is ErrNotBuilt.
func ParseDevice(s string, usb func(serial string) Opener) (Opener, bool) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok && path != "" {
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
