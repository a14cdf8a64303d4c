package pedclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"openped/hsm"
	"openped/internal/logs"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// Timers of the link; zero values are filled in.
type Timers struct {
	Dial         time.Duration // to connect, and then to get the PED; default 10 s
	PingInterval time.Duration // default 1 s
	PingTimeout  time.Duration // without any frame; default 3 s
	Write        time.Duration // for one frame; default 3 s
	Idle         time.Duration // without a PED frame; 0: PEDserver decides alone
}

func (t *Timers) fill() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Dial, 10*time.Second)
	set(&t.PingInterval, time.Second)
	set(&t.PingTimeout, 3*time.Second)
	set(&t.Write, 3*time.Second)
}

// linkConn is a slot's connection to a PED through a PEDserver: the frames of
// the channel over the link, with pings. It implements hsm.FrameConn. Its end
// has one cause, an *hsm.Error that tells people what to do.
type linkConn struct {
	conn  net.Conn
	where string // "host port N"
	t     Timers
	log   *slog.Logger
	ped   protocol.Acquired
	in    chan []byte
	done  chan struct{}

	wmu sync.Mutex

	mu    sync.Mutex
	cause *hsm.Error
	state *protocol.PEDEvent
	last  time.Time // the last PED frame, either way
}

// errGivenBack is in the cause of a link that this side closed on purpose.
var errGivenBack = errors.New("given back")

var _ hsm.FrameConn = (*linkConn)(nil)

// startLink runs a link that has the PED.
func startLink(c net.Conn, where string, ped protocol.Acquired, t Timers, log *slog.Logger) *linkConn {
	l := &linkConn{conn: c, where: where, t: t, log: log, ped: ped, in: make(chan []byte), done: make(chan struct{}), last: time.Now()}
	go l.read()
	go l.keep()
	return l
}

// Send writes one frame of the channel.
func (l *linkConn) Send(ctx context.Context, frame []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-l.done:
		return l.err()
	default:
	}
	l.touch()
	l.log.Log(ctx, logs.LevelTrace, "frame to PED", "bytes", len(frame))
	return l.write(protocol.PEDFrame{Bytes: frame})
}

// Recv waits for the next frame of the channel. What arrived before the end
// still comes.
func (l *linkConn) Recv(ctx context.Context) ([]byte, error) {
	select {
	case f := <-l.in:
		return f, nil
	case <-l.done:
		return nil, l.err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close gives the PED back.
func (l *linkConn) Close() error {
	select {
	case <-l.done:
	default:
		l.wmu.Lock()
		_ = l.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_ = protocol.WriteBody(l.conn, protocol.Release{})
		l.wmu.Unlock()
	}
	l.end(unplugged("the remote PED was disconnected", hintConnect, errGivenBack))
	return nil
}

// Cause returns why the link has ended, or nil while it lives.
func (l *linkConn) Cause() *hsm.Error { l.mu.Lock(); defer l.mu.Unlock(); return l.cause }

// State returns the last event of the PED, or nil.
func (l *linkConn) State() *protocol.PEDEvent { l.mu.Lock(); defer l.mu.Unlock(); return l.state }

func (l *linkConn) err() error {
	if c := l.Cause(); c != nil {
		return c
	}
	return net.ErrClosed
}

func (l *linkConn) write(b protocol.Body) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(l.t.Write))
	if err := protocol.WriteBody(l.conn, b); err != nil {
		l.end(l.lost(err))
		return l.err()
	}
	return nil
}

// end closes the link; the first cause stays.
func (l *linkConn) end(cause *hsm.Error) {
	l.mu.Lock()
	first := l.cause == nil
	if first {
		l.cause = cause
	}
	l.mu.Unlock()
	if first {
		close(l.done)
		_ = l.conn.Close()
		l.log.Info("link ended", "pedserver", l.where, "cause", cause.Msg, "err", cause.Err)
	}
}

func (l *linkConn) touch() { l.mu.Lock(); l.last = time.Now(); l.mu.Unlock() }

func (l *linkConn) silent() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.last)
}

// read takes frames until the link ends. Nothing for PingTimeout is the end.
func (l *linkConn) read() {
	for {
		_ = l.conn.SetReadDeadline(time.Now().Add(l.t.PingTimeout))
		b, err := readBody(l.conn)
		if err != nil {
			l.end(l.lost(err))
			return
		}
		switch b := b.(type) {
		case protocol.PEDFrame:
			l.touch()
			l.log.Log(context.Background(), logs.LevelTrace, "frame from PED", "bytes", len(b.Bytes))
			select {
			case l.in <- b.Bytes:
			case <-l.done:
				return
			}
		case protocol.PEDEvent:
			l.mu.Lock()
			l.state = &b
			l.mu.Unlock()
			l.log.Log(context.Background(), logs.LevelTrace, "event from PED", "kind", b.Kind.String(), "mode", b.Mode.String(), "busy", b.Busy)
		case protocol.Ping:
			if l.write(protocol.Pong(b)) != nil {
				return
			}
		case protocol.Pong:
		case protocol.Error:
			l.end(l.ended(b.Code))
			return
		default:
			_ = l.write(protocol.Error{Code: protocol.LinkErrProtocol})
			l.end(linkError(protocol.LinkErrProtocol, l.where))
			return
		}
	}
}

// keep sends pings and watches for idleness.
func (l *linkConn) keep() {
	tick := time.NewTicker(l.t.PingInterval)
	defer tick.Stop()
	for token := uint32(1); ; token++ {
		select {
		case <-l.done:
			return
		case <-tick.C:
		}
		if l.t.Idle > 0 && l.silent() >= l.t.Idle {
			_ = l.write(protocol.Release{})
			l.end(l.ended(protocol.LinkErrIdle))
			return
		}
		if l.write(protocol.Ping{Token: token}) != nil {
			return
		}
	}
}

// ended is the cause when the PEDserver (or our own clock) ended the link.
func (l *linkConn) ended(code protocol.LinkErr) *hsm.Error {
	if code == protocol.LinkErrIdle {
		return &hsm.Error{Code: hsmapi.CKR_PED_UNPLUGGED, Hint: hintConnect,
			Msg: fmt.Sprintf("the remote PED session ended after %d s idle", int(l.silent().Round(time.Second)/time.Second))}
	}
	return linkError(code, l.where)
}

// lost is the cause when the link broke.
func (l *linkConn) lost(err error) *hsm.Error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return unplugged(fmt.Sprintf("nothing was heard from the PEDserver at %s for %v", l.where, l.t.PingTimeout),
			"check the network, then run `ped connect`", err)
	}
	return unplugged("the connection to the PEDserver at "+l.where+" broke", "check the network and that pedserver runs, then run `ped connect`", err)
}

func readBody(c net.Conn) (protocol.Body, error) {
	f, err := protocol.ReadFrame(c)
	if err != nil {
		return nil, err
	}
	return f.Decode()
}
