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

// line is a connection to a PEDserver after HELLO. It sends pings, answers
// them, and carries the frames of its hold. The line of an HSM-initiated link
// ends with its one hold; that of a PED-initiated link is parked between two.
// Its end has one cause, an *hsm.Error that tells people what to do.
type line struct {
	*greeted
	parks bool // PED-initiated
	clock *clock
	log   *slog.Logger
	since time.Time
	done  chan struct{}

	wmu sync.Mutex // held for one frame, Timers.Write at most

	mu    sync.Mutex
	cause *hsm.Error
	hold  *hold
	asked *asked
}

// asked is an ACQUIRE that has not been answered.
type asked struct {
	answer chan answer   // takes one
	over   chan struct{} // closed when it has been answered
	gaveUp bool          // nobody waits any more
}

type answer struct {
	hold *hold
	err  error
}

func newLine(g *greeted, parks bool, clk *clock, log *slog.Logger) *line {
	return &line{greeted: g, parks: parks, clock: clk, log: log, since: time.Now(), done: make(chan struct{})}
}

// start runs the line until its end.
func (l *line) start() {
	go l.read()
	go l.keep()
}

// Cause returns why the line has ended, or nil while it lives.
func (l *line) Cause() *hsm.Error { l.mu.Lock(); defer l.mu.Unlock(); return l.cause }

// current returns the hold, or nil.
func (l *line) current() *hold { l.mu.Lock(); defer l.mu.Unlock(); return l.hold }

func (l *line) write(b protocol.Body) error { return l.writeIn(b, l.clock.get().Write) }

func (l *line) writeIn(b protocol.Body, limit time.Duration) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(limit))
	if err := protocol.WriteBody(l.conn, b); err != nil {
		l.end(l.lost(err))
		return l.Cause()
	}
	return nil
}

// end closes the line and what is held over it; the first cause stays.
func (l *line) end(cause *hsm.Error) {
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		return
	}
	l.cause = cause
	held := l.hold
	l.mu.Unlock()
	close(l.done)
	_ = l.conn.Close()
	l.log.Info("link ended", "pedserver", l.where, "cause", cause.Msg, "err", cause.Err)
	if held != nil {
		held.end(cause)
	}
}

// acquire asks for the PED for the HSM with a serial, on a line that is parked.
// A PEDserver that does not answer before ctx ends by itself is lost.
func (l *line) acquire(ctx context.Context, serial string) (*hold, error) {
	a, err := l.ask(ctx)
	if err == nil {
		err = l.write(protocol.Acquire{HSMSerial: serial})
	}
	if err != nil {
		return nil, err
	}
	select {
	case r := <-a.answer:
		return r.hold, r.err
	case <-l.done:
		return nil, l.Cause()
	case <-ctx.Done():
	}
	l.mu.Lock()
	a.gaveUp = true
	l.mu.Unlock()
	select {
	case r := <-a.answer: // it came just now
		if r.hold != nil {
			_ = r.hold.Close()
		}
	default:
	}
	return nil, l.waited(ctx)
}

// waited is why an answer is not waited for any more: ctx has ended. If nobody
// ended it the PEDserver is good for nothing, and the line is over.
func (l *line) waited(ctx context.Context) *hsm.Error {
	e := greetError(ctx, l.target, ctx.Err())
	if e.Code != hsmapi.CKR_FUNCTION_CANCELED {
		e.Err = lost{e.Err}
		l.end(e)
	}
	return e
}

// ask makes the one who calls the one who asks. The answer to somebody who has
// given up comes first.
func (l *line) ask(ctx context.Context) (*asked, error) {
	for {
		l.mu.Lock()
		old := l.asked
		switch {
		case l.cause != nil:
			l.mu.Unlock()
			return nil, l.Cause()
		case l.hold != nil, old != nil && !old.gaveUp:
			l.mu.Unlock()
			return nil, &hsm.Error{Code: hsmapi.CKR_PED_BUSY, Msg: "the PED at " + l.where + " serves another slot of this host",
				Hint: "run `ped disconnect` there; `slot list` and `ped show` tell which it is"}
		case old == nil:
			l.asked = &asked{answer: make(chan answer, 1), over: make(chan struct{})}
			a := l.asked
			l.mu.Unlock()
			return a, nil
		}
		l.mu.Unlock()
		select {
		case <-old.over:
		case <-l.done:
		case <-ctx.Done():
			return nil, l.waited(ctx)
		}
	}
}

// answered takes the answer to ACQUIRE. What a reader does next must find the
// hold: frames of the PED may follow at once.
func (l *line) answered(b protocol.Body) error {
	l.mu.Lock()
	a := l.asked
	if a == nil {
		l.mu.Unlock()
		return errOutOfPlace
	}
	ped, got := b.(protocol.Acquired)
	if !a.gaveUp {
		l.asked = nil
		close(a.over)
		if got {
			l.hold = newHold(l, ped)
			a.answer <- answer{hold: l.hold}
		} else {
			a.answer <- answer{err: busyError(b.(protocol.Busy), l.where)}
		}
		l.mu.Unlock()
		return nil
	}
	l.mu.Unlock()
	if got { // nobody wants it any more, and nobody asks before it is given back
		_ = l.write(protocol.Release{})
	}
	l.mu.Lock()
	l.asked = nil
	l.mu.Unlock()
	close(a.over)
	return nil
}

var errOutOfPlace = errors.New("a frame out of place")

// read takes frames until the line ends. Nothing for PingTimeout is the end.
func (l *line) read() {
	for {
		t := l.clock.get()
		_ = l.conn.SetReadDeadline(time.Now().Add(t.PingTimeout))
		b, err := readBody(l.conn)
		if err != nil {
			l.end(l.lost(err))
			return
		}
		if err := l.take(b); err != nil {
			_ = l.write(protocol.Error{Code: protocol.LinkErrProtocol})
			l.end(linkError(protocol.LinkErrProtocol, l.where))
			return
		}
		if l.Cause() != nil {
			return
		}
	}
}

// take acts on one frame. An error is a frame that may not be here.
func (l *line) take(b protocol.Body) error {
	h := l.current()
	switch b := b.(type) {
	case protocol.PEDFrame:
		if h != nil {
			l.log.Log(context.Background(), logs.LevelTrace, "frame from PED", "bytes", len(b.Bytes))
			h.deliver(b.Bytes)
		} // else it crossed our RELEASE
	case protocol.PEDEvent:
		if h != nil {
			l.log.Log(context.Background(), logs.LevelTrace, "event from PED", "kind", b.Kind.String(), "mode", b.Mode.String(), "busy", b.Busy)
			h.setState(b)
		}
	case protocol.Ping:
		_ = l.write(protocol.Pong(b))
	case protocol.Pong:
	case protocol.Acquired, protocol.Busy:
		return l.answered(b)
	case protocol.Error:
		l.end(l.told(b.Code))
	default:
		return errOutOfPlace
	}
	return nil
}

// keep sends pings and watches for idleness. The first ping of a parked line
// goes out at once: it tells the PEDserver that the line is parked.
func (l *line) keep() {
	first := l.clock.get().PingInterval
	if l.parks {
		first = 0
	}
	next := time.NewTimer(first)
	defer next.Stop()
	for token := uint32(1); ; token++ {
		select {
		case <-l.done:
			return
		case <-next.C:
		}
		if h := l.current(); h != nil && h.idle(l.clock.get()) {
			h.giveBack(h.idleError())
		}
		if l.write(protocol.Ping{Token: token}) != nil {
			return
		}
		next.Reset(l.clock.get().PingInterval)
	}
}

// told is the cause when the PEDserver says why it ends the link.
func (l *line) told(code protocol.LinkErr) *hsm.Error {
	if h := l.current(); h != nil && code == protocol.LinkErrIdle {
		return h.idleError()
	}
	return linkError(code, l.where)
}

// lost is the cause when the line broke.
func (l *line) lost(err error) *hsm.Error {
	hint := ", then run `ped connect`"
	if l.parks {
		hint = "; the PEDserver calls again by itself"
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return unplugged(fmt.Sprintf("nothing was heard from the PEDserver at %s for %v", l.where, l.clock.get().PingTimeout),
			"check the network"+hint, lost{err})
	}
	return unplugged("the connection to the PEDserver at "+l.where+" broke", "check the network and that pedserver runs"+hint, lost{err})
}

// lost marks causes that say nothing about what anybody wanted.
type lost struct{ error }

func (l lost) Unwrap() error { return l.error }

func readBody(c net.Conn) (protocol.Body, error) {
	f, err := protocol.ReadFrame(c)
	if err != nil {
		return nil, err
	}
	return f.Decode()
}
