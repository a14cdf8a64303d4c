package hsm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"openped/protocol/channel"
)

// Bounds of what nobody's fingers are involved in.
const (
	proofTime  = 10 * time.Second // Hello to HsmProof
	silentTime = 15 * time.Second // between two records while something is awaited
	sendTime   = 10 * time.Second // one frame
)

// FrameConn carries whole frames (one channel message or record each) to a PED
// and back. Send and Recv are called from different goroutines. An error of
// Recv is final, and must come as soon as the connection is known to be lost.
// Close unblocks Recv and may be called more than once.
type FrameConn interface {
	Send(ctx context.Context, frame []byte) error
	Recv(ctx context.Context) ([]byte, error)
	Close() error
}

// maxQueue is how many frames may wait for a ceremony to read them.
const maxQueue = 64

// link reads a FrameConn all the time. Frames go to whoever runs a ceremony
// (recv), or, while nobody does, to the idle handler, so that what a PED says
// between ceremonies (that it left, that it has another mode) counts at once.
type link struct {
	fc   FrameConn
	dead chan struct{}      // closed by the first failure
	stop context.CancelFunc // ends the reader
	lost func(error)        // called once, after dead is closed

	mu     sync.Mutex
	queue  [][]byte
	more   chan struct{}            // has an entry when queue has
	idle   func(frame []byte) error // called with mu held; nil while a ceremony owns the link
	broken error                    // why dead is closed
}

// newLink owns fc. lost is called once, by whoever finds the connection ended.
// Nothing is read before start: whoever is called must know the link by then.
func newLink(fc FrameConn, lost func(error)) *link {
	return &link{fc: fc, more: make(chan struct{}, 1), dead: make(chan struct{}), stop: func() {}, lost: lost}
}

func (l *link) start() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go func() {
		for {
			f, err := l.fc.Recv(ctx)
			if err == nil {
				err = l.take(f)
			}
			if err != nil {
				l.fail(err)
				return
			}
		}
	}()
}

var errFlood = errors.New("frames too long or too many")

// take hands a frame on.
func (l *link) take(f []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(f) > channel.MaxRecord || len(l.queue) >= maxQueue {
		return errFlood
	}
	if l.idle != nil {
		return l.idle(f)
	}
	l.queue = append(l.queue, f)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return nil
}

// own takes the link for a ceremony.
func (l *link) own() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = nil
}

// release gives it to the idle handler, with what has arrived unread.
func (l *link) release(idle func(frame []byte) error) {
	err := func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.idle = idle
		queue := l.queue
		l.queue = nil
		for _, f := range queue {
			if err := idle(f); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		l.fail(err)
	}
}

// fail ends the connection; the first cause stays.
func (l *link) fail(err error) {
	l.mu.Lock()
	first := l.broken == nil
	if first {
		l.broken = err
		close(l.dead)
	}
	l.mu.Unlock()
	if first {
		l.stop()
		l.lost(err) // first: closing may take its time
		l.fc.Close()
	}
}

// alive reports whether the connection has not ended.
func (l *link) alive() bool {
	select {
	case <-l.dead:
		return false
	default:
		return true
	}
}

func (l *link) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// send writes one frame. A connection that takes none within sendTime is lost.
func (l *link) send(frame []byte) error {
	if !l.alive() {
		return lost{l.cause()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendTime)
	defer cancel()
	if err := l.fc.Send(ctx, frame); err != nil {
		l.fail(err)
		return lost{l.cause()}
	}
	return nil
}

// next returns a frame that is there.
func (l *link) next() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	f := l.queue[0]
	l.queue = l.queue[1:]
	return f
}

// recv returns the next frame, or errSilent when none comes within d. What came
// before the connection ended counts.
func (l *link) recv(ctx context.Context, d time.Duration) ([]byte, error) {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		if f := l.next(); f != nil {
			return f, nil
		}
		select {
		case <-l.more:
		case <-l.dead:
			if f := l.next(); f != nil {
				return f, nil
			}
			return nil, lost{l.cause()}
		case <-ctx.Done():
			return nil, ctxError(ctx)
		case <-t.C:
			return nil, errSilent
		}
	}
}

// ctxError returns why a context has ended: its error and, if it has another
// one, its cause.
func ctxError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
