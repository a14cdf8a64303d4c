package pedserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"openped/certs/linkid"
	"openped/internal/cmdline"
	"openped/protocol"
)

// link writes frames to the HSM host, from several goroutines, each write
// bounded, and reads them with a deadline.
type link struct {
	net.Conn          // with TLS, if there is
	raw      net.Conn // without
	live     *settings
	mu       sync.Mutex
}

func (l *link) send(b protocol.Body) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.SetWriteDeadline(time.Now().Add(l.live.now().WriteTimeout))
	return protocol.WriteBody(l.Conn, b)
}

// Close ends the connection without the courtesies of TLS, which can block.
func (l *link) Close() error { return l.raw.Close() }

// errPeer is the peer's own reason to end the link.
var errPeer = errors.New("HSM host ended the link")

// recv reads the next frame, which must be complete by then.
func (l *link) recv(by time.Time) (protocol.Body, error) {
	_ = l.SetReadDeadline(by)
	f, err := protocol.ReadFrame(l.Conn)
	if err != nil {
		return nil, asProtocolError(err)
	}
	b, err := f.Decode()
	if err != nil {
		return nil, asProtocolError(err)
	}
	return b, nil
}

// linger is how long a peer may take to hang up after our last word. Closing
// before that could take the word away from it: unread input makes TCP reset.
const linger = 500 * time.Millisecond

// tell sends a last frame.
func (l *link) tell(b protocol.Body) error {
	if err := l.send(b); err != nil {
		return err
	}
	for _, c := range []net.Conn{l.Conn, l.raw} {
		if cw, ok := c.(interface{ CloseWrite() error }); ok {
			_ = cw.CloseWrite()
		}
	}
	return nil
}

// farewell sends a last frame and waits a moment for the peer to hang up.
func (l *link) farewell(b protocol.Body) error {
	if err := l.tell(b); err != nil {
		return err
	}
	_ = l.raw.SetReadDeadline(time.Now().Add(linger))
	_, _ = io.CopyN(io.Discard, l.raw, 4*protocol.MaxPEDFrame)
	return nil
}

// part ends a link that another goroutine reads until the connection is closed:
// a protocol.Error in err is told to the peer first. wait waits for the reader.
func (l *link) part(err error, wait func()) {
	var pe protocol.Error
	if errors.As(err, &pe) && l.tell(pe) == nil {
		hangUp := time.AfterFunc(linger, func() { _ = l.Close() })
		defer hangUp.Stop()
	} else {
		_ = l.Close()
	}
	wait()
	_ = l.Close()
}

// hello exchanges HELLO. A protocol.Error among the errors is to be sent to the
// peer.
func (l *link) hello(by time.Time) (protocol.Hello, error) {
	b, err := l.recv(by)
	if err != nil {
		return protocol.Hello{}, err
	}
	theirs, ok := b.(protocol.Hello)
	if !ok {
		return protocol.Hello{}, protocol.Error{Code: protocol.LinkErrProtocol}
	}
	mine := protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "pedserver " + cmdline.Version}
	if err := l.send(mine); err != nil {
		return protocol.Hello{}, err
	}
	_, err = protocol.Negotiate(mine, theirs)
	return theirs, err
}

// isEnd reports whether err is the peer's hanging up.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// asProtocolError turns what a decoder refused into what the peer is told; the
// network's own errors stay, for then nobody is there to tell.
func asProtocolError(err error) error {
	var ne net.Error
	if errors.As(err, &ne) || isEnd(err) || errors.Is(err, linkid.ErrClosedEarly) {
		return err
	}
	return fmt.Errorf("%w (%w)", protocol.Error{Code: protocol.LinkErrProtocol}, err)
}
