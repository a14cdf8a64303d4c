package usbped

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
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
	if err != nil {
		return nil, err
	}
	return h, nil
}

// ParseDevice reads what -peddevice takes: "unix:PATH". The bool is false for
// anything else.
func ParseDevice(s string) (Opener, bool) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok && path != "" {
		return SocketOpener{path}, true
	}
	return nil, false
}
