package localsock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

// conn is one end of a pipe, with what is known of the other end.
type conn struct {
	f    *os.File
	path pipeAddr
	peer Peer
}

// newConn takes over a handle that was opened for overlapped operations: then a
// file has time limits.
func newConn(h windows.Handle, path string, peer Peer) *conn {
	return &conn{os.NewFile(uintptr(h), path), pipeAddr(path), peer}
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.f.Read(b)
	return n, c.asSocket("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.f.Write(b)
	return n, c.asSocket("write", err)
}

// asSocket has the errors that sockets have.
func (c *conn) asSocket(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	switch {
	case errors.Is(err, os.ErrClosed):
		err = net.ErrClosed
	case errors.Is(err, windows.ERROR_NO_DATA), errors.Is(err, windows.ERROR_BROKEN_PIPE), errors.Is(err, windows.ERROR_PIPE_NOT_CONNECTED):
		if op == "read" {
			return io.EOF
		}
		err = syscall.EPIPE
	}
	return &net.OpError{Op: op, Net: "pipe", Addr: c.path, Err: err}
}

func (c *conn) Close() error                       { return c.f.Close() }
func (c *conn) LocalAddr() net.Addr                { return c.path }
func (c *conn) RemoteAddr() net.Addr               { return c.path }
func (c *conn) SetDeadline(t time.Time) error      { return c.f.SetDeadline(t) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.f.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.f.SetWriteDeadline(t) }

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

// dialPipe finds out who made the pipe: who owns it. An owner can not be made to
// look like another.
func dialPipe(ctx context.Context, path string) (net.Conn, error) {
	h, err := openPipe(ctx, path)
	if err != nil {
		return nil, err
	}
	var peer Peer
	if peer.User, err = winacl.OwnerOf(h); err != nil {
		windows.CloseHandle(h)
		return nil, fmt.Errorf("owner of the pipe: %w", err)
	}
	var pid uint32
	if windows.GetNamedPipeServerProcessId(h, &pid) == nil {
		peer.PID = int(pid)
	}
	me, err := winacl.User()
	peer.Owner = err == nil && winacl.Among(peer.User, me, winacl.System, winacl.Administrators)
	return newConn(h, path, peer), nil
}

// openPipe opens a pipe so that whoever listens can not act as this user. It waits
// while all of its instances are taken.
func openPipe(ctx context.Context, path string) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	for {
		h, err := windows.CreateFile(name, winacl.Client, 0, nil, windows.OPEN_EXISTING,
			windows.FILE_FLAG_OVERLAPPED|windows.SECURITY_SQOS_PRESENT|windows.SECURITY_ANONYMOUS, 0)
		if err == nil {
			return h, nil
		}
		if !errors.Is(err, windows.ERROR_PIPE_BUSY) {
			return 0, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(pipeAgain):
		}
	}
}
