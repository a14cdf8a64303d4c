package back

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"openped/internal/atomicfile"
	"openped/softped"
	"openped/softped/face"
	"openped/usbped"
)

// ErrSocketInUse means that another program listens on the socket.
var ErrSocketInUse = errors.New("socket is in use by another program")

// maxPath is what fits in a unix socket address on every platform.
const maxPath = 103

// Listener is a unix socket that only its owner may connect to, mode 0600. What
// a killed process left at its path is removed.
type Listener struct {
	net.Listener
	unlock func()
	once   sync.Once
	err    error
}

// Listen opens the socket at path. The error names the path; errors.Is finds
// ErrSocketInUse.
func Listen(path string) (*Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("socket path %s is %d bytes long and may be %d: choose a shorter one", path, len(path), maxPath)
	}
	unlock, err := atomicfile.Lock(path + ".lock")
	if errors.Is(err, atomicfile.ErrLocked) {
		return nil, fmt.Errorf("%s: %w", path, ErrSocketInUse)
	}
	if err != nil {
		return nil, err
	}
	l, err := listen(path)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Listener{Listener: l, unlock: unlock}, nil
}

func listen(path string) (net.Listener, error) {
	// We hold the lock, so a socket that is there is a dead process's, unless
	// somebody listens without the lock.
	if st, err := os.Lstat(path); err == nil {
		if st.Mode()&os.ModeSocket == 0 {
			return nil, errors.New("exists and is no socket")
		}
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, ErrSocketInUse
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	// The socket is its owner's only from the first moment. To chmod it afterwards
	// would follow what somebody puts in its place.
	restore := narrowUmask()
	l, err := net.Listen("unix", path)
	restore()
	if err != nil {
		return nil, err
	}
	return l, nil
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
