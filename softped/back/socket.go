package back

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"openped/internal/atomicfile"
	"openped/internal/localsock"
	"openped/softped"
	"openped/softped/face"
	"openped/usbped"
)

// ErrSocketInUse means that another program listens on the socket.
var ErrSocketInUse = localsock.ErrInUse

// maxPath is what fits in a unix socket address on every platform.
const maxPath = 103

// Listener is a local socket that only its owner may connect to, and the members of a
// group if one is named. What a killed process left at its path is removed.
type Listener struct {
	*localsock.Listener
	unlock func()
	once   sync.Once
	err    error
}

// Listen opens the socket at path. The error names the path; errors.Is finds
// ErrSocketInUse.
func Listen(path string, access localsock.Access) (*Listener, error) {
	unlock := func() {} // a pipe has one owner anyhow
	if !localsock.IsPipe(path) {
		if len(path) > maxPath {
			return nil, fmt.Errorf("socket path %s is %d bytes long and may be %d: choose a shorter one", path, len(path), maxPath)
		}
		var err error
		unlock, err = atomicfile.Lock(path + ".lock")
		if errors.Is(err, atomicfile.ErrLocked) {
			return nil, fmt.Errorf("%s: %w", path, ErrSocketInUse)
		}
		if err != nil {
			return nil, err
		}
	}
	l, err := localsock.Listen(path, access)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Listener{Listener: l, unlock: unlock}, nil
}

// allows reports whether a caller may be there. Where the platform does not tell who
// it is, the socket has let in the right ones.
func (l *Listener) allows(c net.Conn) bool {
	p, err := localsock.PeerOf(c)
	return errors.Is(err, localsock.ErrNoPeer) || err == nil && l.Access.Allows(p)
}

// Close closes the socket and removes it. It may be called more than once.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.err = l.Listener.Close()
		l.unlock()
	})
	return l.err
}

// accept calls f for each connection, in its own goroutine, until ctx ends; then
// it closes the listener and what is connected, and waits.
func (l *Listener) accept(ctx context.Context, f func(net.Conn)) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			select { // too many open files, most likely: it passes
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		if !l.allows(c) {
			c.Close()
			continue
		}
		wg.Go(func() {
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			f(c)
		})
	}
}

// ServePED lets hosts plug the PED in, one at a time, until ctx ends. Others are
// told that it is in use.
func (l *Listener) ServePED(ctx context.Context, p *softped.PED) error {
	plugged := make(chan struct{}, 1)
	return l.accept(ctx, func(c net.Conn) {
		select {
		case plugged <- struct{}{}:
			defer func() { <-plugged }()
			g := usbped.NewGadget(c, p.Info())
			defer g.Close()
			_ = p.Serve(ctx, g)
		default:
			_ = usbped.Refuse(ctx, c, p.Info())
		}
	})
}

// ServeControl takes scripts, several at a time, until ctx ends. They may pull
// the cable, if there is one.
func (l *Listener) ServeControl(ctx context.Context, p *softped.PED, cable face.Cable) error {
	return l.accept(ctx, func(c net.Conn) {
		s := &face.Script{PED: p, Out: c, Cable: cable}
		_ = s.Run(ctx, c)
	})
}
