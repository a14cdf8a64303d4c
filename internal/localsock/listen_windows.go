package localsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"
)

const pipes = true

// Example is how a socket is named here.
const Example = "pipe:NAME"

// groupPipe is the end of the name of the second pipe of a socket with a group.
// The access lists of the two say who comes to which; so whether a caller is a
// mere member need not be asked of a process that may not be the one any more.
const groupPipe = "-group"

func (l *Listener) listen() error {
	if !IsPipe(l.Path) { // a unix socket is as open as its folder's access list says
		var err error
		if l.Stale, err = remove(l.Path); err == nil {
			l.Listener, err = net.Listen("unix", l.Path)
		}
		return err
	}
	owners, err := listenPipe(l.Path, Peer{Owner: true}, "")
	if err != nil {
		return err
	}
	if l.Access.Group == "" {
		l.Listener = owners
		return nil
	}
	members, err := listenPipe(l.Path+groupPipe, Peer{Groups: []string{l.Access.Group}}, l.Access.Group)
	if err != nil {
		_ = owners.Close()
		return err
	}
	l.Listener = join(owners, members)
	return nil
}

// remove removes a unix socket that nobody listens on. A pipe goes with its
// process.
func remove(path string) (bool, error) {
	if IsPipe(path) {
		return false, nil
	}
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if fi.Mode().Type()&(fs.ModeSocket|fs.ModeIrregular) == 0 {
		return false, fmt.Errorf("%s is in the way and is not a socket; remove it", path)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return false, ErrInUse
	}
	if err := os.Remove(path); err != nil {
		return false, fmt.Errorf("remove the socket that a crash left: %w", err)
	}
	return true, nil
}

// both accepts from two listeners.
type both struct {
	first net.Listener
	all   []net.Listener
	got   chan accepted
	end   chan struct{}
	once  sync.Once
}

type accepted struct {
	c   net.Conn
	err error
}

func join(all ...net.Listener) net.Listener {
	b := &both{first: all[0], all: all, got: make(chan accepted), end: make(chan struct{})}
	for _, l := range all {
		go b.from(l)
	}
	return b
}

func (b *both) from(l net.Listener) {
	for {
		c, err := l.Accept()
		select {
		case b.got <- accepted{c, err}:
		case <-b.end:
			if err == nil {
				_ = c.Close()
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (b *both) Accept() (net.Conn, error) {
	select {
	case a := <-b.got:
		return a.c, a.err
	case <-b.end:
		return nil, net.ErrClosed
	}
}

func (b *both) Close() error {
	var errs []error
	b.once.Do(func() {
		close(b.end)
		for _, l := range b.all {
			errs = append(errs, l.Close())
		}
	})
	return errors.Join(errs...)
}

func (b *both) Addr() net.Addr { return b.first.Addr() }
