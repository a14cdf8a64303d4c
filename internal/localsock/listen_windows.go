package localsock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

const pipes = true

// Example is how a socket is named here.
const Example = "pipe:NAME"

// groupPipe is the end of the name of the second pipe of a socket with a group.
// The access lists of the two say who comes to which; so whether a caller is a
// mere member need not be asked of a process that may not be the one any more.
const groupPipe = "-group"

// pipeBuffer is how much a writer may be ahead of the reader, in bytes.
const pipeBuffer = 64 << 10

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

// pipe is one named pipe: all who get in by it are the same kind of peer.
type pipe struct {
	net.Listener
	kind Peer
}

func listenPipe(path string, kind Peer, group string) (*pipe, error) {
	user, err := winacl.User()
	if err != nil {
		return nil, err
	}
	owner, err := winacl.Owner()
	if err != nil {
		return nil, err
	}
	entries := append(winacl.Private(user), winacl.Entry{SID: group, Rights: winacl.Client})
	// go-winio makes the first instance or none, and none for other computers.
	l, err := winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: winacl.Descriptor(owner, false, entries...),
		InputBufferSize: pipeBuffer, OutputBufferSize: pipeBuffer})
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED), errors.Is(err, windows.ERROR_ALREADY_EXISTS), errors.Is(err, windows.ERROR_PIPE_BUSY):
		return nil, ErrInUse
	case err != nil:
		return nil, fmt.Errorf("named pipe: %w", err)
	}
	return &pipe{l, kind}, nil
}

// Accept tells of the client what the system says. Which process it is, is for
// logs and fairness only: the pipe has decided what it may.
func (p *pipe) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	peer := p.kind
	var pid uint32
	if h, ok := handle(c); ok && windows.GetNamedPipeClientProcessId(h, &pid) == nil {
		peer.PID = int(pid)
		peer.User, _ = winacl.UserOf(peer.PID)
	}
	if peer.User == "" {
		peer.User = "unknown"
	}
	return &conn{c, peer}, nil
}

// conn is a connection with what is known of the other end.
type conn struct {
	net.Conn
	peer Peer
}

// Write has the errors of a socket when nobody is there any more.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, windows.ERROR_NO_DATA) || errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_PIPE_NOT_CONNECTED) {
		err = &net.OpError{Op: "write", Net: "pipe", Err: syscall.EPIPE}
	}
	return n, err
}

func handle(c net.Conn) (windows.Handle, bool) {
	f, ok := c.(interface{ Fd() uintptr })
	if !ok {
		return 0, false
	}
	return windows.Handle(f.Fd()), true
}

func peerOf(c net.Conn) (Peer, error) {
	if c, ok := c.(*conn); ok {
		return c.peer, nil
	}
	return Peer{}, ErrNoPeer
}

// dial connects to a pipe, or to a unix socket. A member who may not use the
// owners' pipe comes by the group's.
func dial(ctx context.Context, path string) (net.Conn, error) {
	if !IsPipe(path) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	c, err := dialPipe(ctx, path)
	if errors.Is(err, fs.ErrPermission) {
		if member, e := dialPipe(ctx, path+groupPipe); !errors.Is(e, fs.ErrNotExist) {
			return member, e
		}
	}
	return c, err
}

// dialPipe finds out who made the pipe. That is who owns it: of a pipe that somebody
// else made before the daemon nothing can be hidden by making it look like one.
// Whoever listens can not act as this user: go-winio connects without letting him.
func dialPipe(ctx context.Context, path string) (net.Conn, error) {
	c, err := winio.DialPipeAccess(ctx, path, winacl.Client)
	if err != nil {
		return nil, err
	}
	h, ok := handle(c)
	if !ok {
		_ = c.Close()
		return nil, ErrNoPeer
	}
	var peer Peer
	if peer.User, err = winacl.OwnerOf(h); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("owner of the pipe: %w", err)
	}
	var pid uint32
	if windows.GetNamedPipeServerProcessId(h, &pid) == nil {
		peer.PID = int(pid)
	}
	me, err := winacl.User()
	peer.Owner = err == nil && winacl.Among(peer.User, me, winacl.System, winacl.Administrators)
	return &conn{c, peer}, nil
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
