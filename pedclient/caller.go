package pedclient

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"openped/hsm"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// Bounds of a caller's connection.
const (
	callerWrite  = 5 * time.Second // for one message
	promptAnswer = 2 * time.Minute // for a person at the console: the slot waits with him
	aliveEvery   = 2 * time.Second // between two signs of life while a command runs
)

// caller is one connection of a local program. What it obtained ends with it.
type caller struct {
	client *Client
	conn   *hsmapi.Conn
	place  *place
	log    *slog.Logger
	gone   context.CancelFunc

	mu     sync.Mutex
	now    *request                               // running, or nil
	grants map[*slot]map[protocol.Role]*hsm.Grant // logins
}

// request is one command while it runs.
type request struct {
	id     uint32
	cancel context.CancelFunc

	mu      sync.Mutex
	prompt  hsmapi.PromptID // asked and not answered yet, or 0
	answers chan bool
}

// serveCaller speaks with one caller until it goes, then cancels what it has
// running and logs it out.
func (c *Client) serveCaller(ctx context.Context, conn net.Conn, place *place, log *slog.Logger) {
	ctx, cancel := context.WithCancel(ctx)
	w := &caller{client: c, conn: hsmapi.NewConn(bounded{conn}), place: place, log: log, gone: cancel, grants: map[*slot]map[protocol.Role]*hsm.Grant{}}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	var running sync.WaitGroup
	err := w.listen(ctx, &running)
	cancel()
	running.Wait()
	stop()
	_ = conn.Close()
	for _, byRole := range w.grants {
		for _, g := range byRole {
			g.Release()
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = nil
	}
	log.Info("caller left", "err", err)
}

// bounded gives each write a deadline: a caller that does not read its messages
// is cut off.
type bounded struct{ net.Conn }

func (b bounded) Write(p []byte) (int, error) {
	_ = b.SetWriteDeadline(time.Now().Add(callerWrite))
	return b.Conn.Write(p)
}

func (w *caller) listen(ctx context.Context, running *sync.WaitGroup) error {
	for {
		m, err := w.conn.Recv()
		if err != nil {
			return err
		}
		switch m.Type {
		case hsmapi.Request:
			w.place.ask()
			r, rctx := w.begin(ctx, m.ID)
			if r == nil {
				m.Fields.Wipe()
				w.send(hsmapi.ResultOf(m.ID, nil, &hsmapi.Error{Code: hsmapi.CKR_OPERATION_ACTIVE, Msg: "this connection has a command running",
					Hint: "wait for its result, or open another connection"}))
				continue
			}
			running.Go(func() {
				rest := w.beat(r)
				out, err := w.run(rctx, r, m.Fields)
				rest()
				m.Fields.Wipe()
				w.end(r)
				w.send(hsmapi.ResultOf(m.ID, out, err))
			})
		case hsmapi.Answer:
			w.answer(m)
		case hsmapi.Cancel:
			w.cancelRequest(m.ID)
		default:
			return errors.New("caller sent a server's message")
		}
	}
}

// beat sends signs of life until rest is called, so that a caller can tell a
// command that takes its time from a pedclient that has stopped.
func (w *caller) beat(r *request) (rest func()) {
	over := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(aliveEvery)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				w.progress(r, hsmapi.EventAlive, nil)
			}
		}
	})
	return func() { close(over); beating.Wait() }
}

// begin registers a request, unless one is running.
func (w *caller) begin(ctx context.Context, id uint32) (*request, context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != nil {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	w.now = &request{id: id, cancel: cancel, answers: make(chan bool, 1)}
	return w.now, ctx
}

func (w *caller) end(r *request) {
	w.mu.Lock()
	w.now = nil
	w.mu.Unlock()
	r.cancel()
}

func (w *caller) running(id uint32) *request {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil || w.now.id != id {
		return nil
	}
	return w.now
}

func (w *caller) cancelRequest(id uint32) {
	if r := w.running(id); r != nil {
		r.cancel()
	}
}

// answer hands an answer to the question that is open; others are late.
func (w *caller) answer(m hsmapi.Message) {
	r := w.running(m.ID)
	p, ok := m.Fields.U8(hsmapi.TagPromptID)
	if r == nil || !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prompt == 0 || r.prompt != hsmapi.PromptID(p) {
		return
	}
	r.prompt = 0
	r.answers <- m.Fields.Bool(hsmapi.TagYes)
}

// send writes a message. A caller that can not be reached is gone.
func (w *caller) send(m hsmapi.Message) {
	if err := w.conn.Send(m); err != nil {
		w.log.Info("caller not reached", "type", m.Type.String(), "err", err)
		w.gone()
	}
	m.Fields.Wipe()
}

// progress tells the caller something while its request runs.
func (w *caller) progress(r *request, e hsmapi.Event, f hsmapi.Fields) {
	w.send(hsmapi.Message{Type: hsmapi.Progress, ID: r.id, Fields: append(hsmapi.Fields{}.AddU8(hsmapi.TagEvent, uint8(e)), f...)})
}

// console lets a ceremony speak with the person behind a caller.
type console struct {
	w       *caller
	r       *request
	caution hsmapi.Fields // said once, after people have been called; may be nil
}

// Prompt asks a question and waits for the answer.
func (c *console) Prompt(ctx context.Context, p hsm.Prompt) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, promptAnswer)
	defer cancel()
	c.r.mu.Lock()
	c.r.prompt = p.ID
	c.r.mu.Unlock()
	f := hsmapi.Fields{}.AddU8(hsmapi.TagPromptID, uint8(p.ID))
	if p.Role != 0 {
		f = f.AddU8(hsmapi.TagRole, uint8(p.Role)).AddU32(hsmapi.TagAttempts, uint32(max(0, p.AttemptsLeft)))
	}
	c.w.send(hsmapi.Message{Type: hsmapi.Prompt, ID: c.r.id, Fields: f})
	select {
	case yes := <-c.r.answers:
		return yes, nil
	case <-ctx.Done():
		c.r.mu.Lock()
		defer c.r.mu.Unlock()
		c.r.prompt = 0
		select {
		case <-c.r.answers: // came too late
		default:
		}
		return false, ctx.Err()
	}
}

// Notice says something in passing.
func (c *console) Notice(n hsm.Notice) {
	if n != hsm.NoticeAttend {
		c.w.progress(c.r, hsmapi.EventText, hsmapi.Fields{}.AddText(hsmapi.TagText, n.String()))
		return
	}
	c.w.progress(c.r, hsmapi.EventAttend, nil)
	if c.caution != nil {
		c.w.progress(c.r, hsmapi.EventCaution, c.caution)
		c.caution = nil
	}
}
