package localsock

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

const (
	pipeBuffer = 64 << 10 // how much a writer may be ahead of the reader, in bytes
	// Who finds no instance free tries again so soon, and so does the daemon that
	// can not make another one.
	pipeAgain = 10 * time.Millisecond
)

// pipe listens on one named pipe: all who get in by it are the same kind of peer.
// From its beginning to its end it holds an instance, so that nobody else gets the
// name.
type pipe struct {
	path string
	kind Peer
	attr *windows.SecurityAttributes
	got  chan windows.Handle
	stop windows.Handle // an event
	end  chan struct{}
	gone chan struct{}
	once sync.Once
}

func listenPipe(path string, kind Peer, group string) (*pipe, error) {
	// What runs elevated is administrators', and not its user's without that.
	owner, err := winacl.Owner()
	if err != nil {
		return nil, err
	}
	p := &pipe{path: path, kind: kind, got: make(chan windows.Handle), end: make(chan struct{}), gone: make(chan struct{})}
	entries := append(winacl.Private(owner), winacl.Entry{SID: group, Rights: winacl.Client})
	if p.attr, err = winacl.Attributes(winacl.Descriptor(owner, false, entries...)); err != nil {
		return nil, fmt.Errorf("access list of the pipe: %w", err)
	}
	first, err := p.instance(windows.FILE_FLAG_FIRST_PIPE_INSTANCE)
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED), errors.Is(err, windows.ERROR_PIPE_BUSY), errors.Is(err, windows.ERROR_ALREADY_EXISTS):
		return nil, ErrInUse
	case err != nil:
		return nil, fmt.Errorf("named pipe: %w", err)
	}
	if p.stop, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
		windows.CloseHandle(first)
		return nil, err
	}
	go p.serve(first)
	return p, nil
}

// instance makes an instance of the pipe, which a client of this computer may open
// at once.
func (p *pipe) instance(flag uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(p.path)
	if err != nil {
		return 0, err
	}
	return windows.CreateNamedPipe(name, windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_OVERLAPPED|flag,
		windows.PIPE_TYPE_BYTE|windows.PIPE_REJECT_REMOTE_CLIENTS, windows.PIPE_UNLIMITED_INSTANCES, pipeBuffer, pipeBuffer, 0, p.attr)
}

// serve waits for clients, and has the next instance before it lets one go.
func (p *pipe) serve(h windows.Handle) {
	defer close(p.gone)
	defer func() { windows.CloseHandle(h) }()
	for {
		if err := p.connect(h); err != nil {
			select {
			case <-p.end:
				return
			default: // the client has gone already
			}
			if windows.DisconnectNamedPipe(h) != nil {
				p.pause()
			}
			continue
		}
		next, err := p.instance(0)
		for ; err != nil; next, err = p.instance(0) {
			if !p.pause() {
				return
			}
		}
		select {
		case p.got <- h:
			h = next
		case <-p.end:
			windows.CloseHandle(next)
			return
		}
	}
}

func (p *pipe) pause() bool {
	select {
	case <-p.end:
		return false
	case <-time.After(pipeAgain):
		return true
	}
}

// connect waits until a client has opened the instance, or the pipe is closed.
func (p *pipe) connect(h windows.Handle) error {
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(event)
	o := &windows.Overlapped{HEvent: event}
	err = windows.ConnectNamedPipe(h, o)
	switch {
	case errors.Is(err, windows.ERROR_PIPE_CONNECTED):
		return nil
	case err != nil && !errors.Is(err, windows.ERROR_IO_PENDING):
		return err
	}
	which, waitErr := windows.WaitForMultipleObjects([]windows.Handle{p.stop, event}, false, windows.INFINITE)
	if waitErr != nil || which == windows.WAIT_OBJECT_0 {
		_ = windows.CancelIoEx(h, o)
	}
	var n uint32
	err = windows.GetOverlappedResult(h, o, &n, true) // the system is done with o then
	if waitErr != nil {
		return waitErr
	}
	if which == windows.WAIT_OBJECT_0 {
		return net.ErrClosed
	}
	return err
}

// Accept tells of the client what the system says. Which process it is, is for
// logs and fairness only: the pipe has decided what it may.
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case h := <-p.got:
		peer := p.kind
		var pid uint32
		if windows.GetNamedPipeClientProcessId(h, &pid) == nil {
			peer.PID = int(pid)
			peer.User, _ = winacl.UserOf(peer.PID)
		}
		if peer.User == "" {
			peer.User = "unknown"
		}
		return newConn(h, p.path, peer), nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

// Close gives the name up.
func (p *pipe) Close() error {
	p.once.Do(func() {
		close(p.end)
		_ = windows.SetEvent(p.stop)
		<-p.gone
		windows.CloseHandle(p.stop)
	})
	return nil
}

func (p *pipe) Addr() net.Addr { return pipeAddr(p.path) }

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }
