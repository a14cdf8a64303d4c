package pedserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"openped/internal/cmdline"
	"openped/protocol"
)

// link writes frames to the HSM host, from several goroutines, each write
// bounded, and reads them with a deadline.
type link struct {
	net.Conn
	mu           sync.Mutex
	writeTimeout time.Duration
}

func (l *link) send(b protocol.Body) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.SetWriteDeadline(time.Now().Add(l.writeTimeout))
	return protocol.WriteBody(l.Conn, b)
}

// errPeer is the peer's own reason to end the link.
var errPeer = errors.New("HSM host ended the link")

// recv reads the next frame, which must be complete within d.
func (l *link) recv(d time.Duration) (protocol.Body, error) {
	_ = l.SetReadDeadline(time.Now().Add(d))
	f, err := protocol.ReadFrame(l.Conn)
	if err != nil {
		return nil, err
	}
	return f.Decode()
}

// linger is how long a peer may take to hang up after our last word. Closing
// before that could take the word away from it: unread input makes TCP reset.
const linger = 500 * time.Millisecond

// farewell sends a last frame and waits a moment for the peer to hang up, unless
// somebody else reads.
func (l *link) farewell(b protocol.Body, read bool) error {
	if err := l.send(b); err != nil {
		return err
	}
	if cw, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		_ = cw.CloseWrite()
	}
	if read {
		_ = l.SetReadDeadline(time.Now().Add(linger))
		_, _ = io.CopyN(io.Discard, l.Conn, 4*protocol.MaxPEDFrame)
	}
	return nil
}

// greet exchanges HELLO and waits for ACQUIRE, both within d. A protocol.Error
// among the errors is to be sent to the peer.
func (l *link) greet(d time.Duration) (protocol.Hello, protocol.Acquire, error) {
	none := func(err error) (protocol.Hello, protocol.Acquire, error) {
		return protocol.Hello{}, protocol.Acquire{}, err
	}
	begin := time.Now()
	b, err := l.recv(d)
	if err != nil {
		return none(asProtocolError(err))
	}
	theirs, ok := b.(protocol.Hello)
	if !ok {
		return none(protocol.Error{Code: protocol.LinkErrProtocol})
	}
	mine := protocol.Hello{MinVersion: protocol.LinkVersion, MaxVersion: protocol.LinkVersion, Software: "pedserver " + cmdline.Version}
	if err := l.send(mine); err != nil {
		return none(err)
	}
	if _, err := protocol.Negotiate(mine, theirs); err != nil {
		return none(err)
	}
	b, err = l.recv(d - time.Since(begin))
	if err != nil {
		return none(asProtocolError(err))
	}
	acquire, ok := b.(protocol.Acquire)
	if !ok {
		return none(protocol.Error{Code: protocol.LinkErrProtocol})
	}
	return theirs, acquire, nil
}

// asProtocolError turns what a decoder refused into what the peer is told; the
// network's own errors stay, for then nobody is there to tell.
func asProtocolError(err error) error {
	var ne net.Error
	if errors.As(err, &ne) || isEnd(err) {
		return err
	}
	return fmt.Errorf("%w (%w)", protocol.Error{Code: protocol.LinkErrProtocol}, err)
}
