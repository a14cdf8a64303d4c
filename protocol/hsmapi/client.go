package hsmapi

import (
	"sync"

	"openped/internal/wire"
)

// Handler takes what the server says while a command runs. Either may be nil: a
// prompt without a Handler is answered with no.
type Handler struct {
	Progress func(Event, Fields)
	// Prompt answers a question. An error cancels the command, and Do returns it.
	Prompt func(PromptID, Fields) (bool, error)
}

// Client runs commands one after another over a Conn.
type Client struct {
	conn *Conn

	run sync.Mutex // held by Do

	mu      sync.Mutex
	id      uint32
	running bool
}

// NewClient returns a Client over conn.
func NewClient(conn *Conn) *Client { return &Client{conn: conn} }

// Do sends a command and waits for its result, however long people take. The
// error is an *Error for a result other than CKR_OK, Prompt's own, or one of
// Conn's, after which the connection is of no use. Secrets in fields are wiped
// once sent.
func (c *Client) Do(cmd Command, fields Fields, h Handler) (Fields, error) {
	c.run.Lock()
	defer c.run.Unlock()
	id, err := c.begin(cmd, fields)
	defer c.end()
	if err != nil {
		return nil, err
	}
	var gaveUp error
	for {
		m, err := c.conn.Recv()
		if err != nil {
			return nil, err
		}
		if m.ID != id {
			m.Fields.Wipe()
			return nil, wire.ErrMalformed
		}
		switch m.Type {
		case Progress:
			if e, ok := m.Fields.U8(TagEvent); ok && h.Progress != nil {
				h.Progress(Event(e), m.Fields)
			}
			m.Fields.Wipe()
		case Prompt:
			if err := c.answer(id, m.Fields, h, &gaveUp); err != nil {
				return nil, err
			}
		case Result:
			if gaveUp != nil {
				m.Fields.Wipe()
				return nil, gaveUp
			}
			return m.Fields, ErrorOf(m.Fields)
		default:
			return nil, wire.ErrMalformed
		}
	}
}

func (c *Client) answer(id uint32, f Fields, h Handler, gaveUp *error) error {
	p, ok := f.U8(TagPromptID)
	if !ok {
		return wire.ErrMalformed
	}
	yes := false
	if h.Prompt != nil && *gaveUp == nil {
		var err error
		if yes, err = h.Prompt(PromptID(p), f); err != nil {
			*gaveUp = err
			return c.conn.Send(Message{Cancel, id, nil})
		}
	}
	return c.conn.Send(Message{Answer, id, Fields{}.AddU8(TagPromptID, p).AddBool(TagYes, yes)})
}

// Cancel asks the server to give up the running command; Do then returns its
// result. It may be called from another goroutine, and does nothing when no
// command runs.
func (c *Client) Cancel() error {
	c.mu.Lock()
	id, running := c.id, c.running
	c.mu.Unlock()
	if !running {
		return nil
	}
	return c.conn.Send(Message{Cancel, id, nil})
}

// begin sends the request under the lock, so that no Cancel gets before it.
func (c *Client) begin(cmd Command, fields Fields) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer fields.Wipe()
	c.id++
	if c.id == 0 {
		c.id = 1
	}
	c.running = true
	return c.id, c.conn.Send(Message{Request, c.id, append(Fields{}.AddU16(TagCommand, uint16(cmd)), fields...)})
}

func (c *Client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
}
