package hsm

import (
	"context"
	"errors"
	"fmt"

	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
)

// operation is one dialogue at the PED, from its first message to End or Cancel.
type operation struct {
	cer  *ceremony
	conn *pedConn
	id   protocol.CeremonyID
	role protocol.Role
	over bool // End or Cancel has gone either way

	refused int // keys that were refused
}

// maxRefused is how many keys an operation refuses before it ends: each is a
// record in the audit log.
const maxRefused = 64

// refuse counts a key that is not wanted.
func (o *operation) refuse() error {
	if o.refused++; o.refused > maxRefused {
		return errorf(keyFault, "run the command again with the right keys", "too many PED keys that do not belong here")
	}
	return nil
}

// operate starts an operation: it waits for a session and sends first, made for
// the operation's id.
func (c *ceremony) operate(role protocol.Role, first func(protocol.CeremonyID) protocol.Message) (*operation, error) {
	conn, err := c.session()
	if err != nil {
		return nil, err
	}
	c.operations++
	o := &operation{cer: c, conn: conn, id: c.id, role: role}
	o.id[len(o.id)-1] = c.operations
	c.attend()
	return o, o.send(first(o.id))
}

// send encrypts and sends a message.
func (o *operation) send(m protocol.Message) error {
	if o.conn.left() <= 0 {
		return channel.ErrExpired
	}
	plain := protocol.EncodeMessage(m)
	rec, err := o.conn.s.Seal(plain)
	clear(plain)
	if err != nil {
		return err
	}
	return o.conn.send(rec)
}

// receive returns the PED's next message of this operation. As long as the PED
// shows activity it may take any time that the session has left.
func (o *operation) receive() (protocol.Message, error) {
	for {
		left := o.conn.left()
		rec, err := o.conn.recv(o.cer.ctx, min(silentTime, left))
		if errors.Is(err, errSilent) && left < silentTime {
			err = channel.ErrExpired
		}
		if err != nil {
			return nil, err
		}
		kind, payload, err := o.conn.s.Open(rec)
		switch {
		case err != nil:
			return nil, err
		case kind == channel.KindCloseNotify:
			return nil, errClosed
		case kind == channel.KindActivity:
			continue
		}
		m, err := protocol.DecodeMessage(payload)
		clear(payload)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errProtocol, err)
		}
		id := protocol.CeremonyOf(m)
		if id != o.id && o.conn.hasEnded(id) {
			continue // it crossed our End or Cancel
		}
		if id != o.id || !m.Type().FromPED() {
			return nil, errProtocol
		}
		if c, ok := m.(*protocol.Cancel); ok {
			o.end()
			return nil, cancelled{c.Reason}
		}
		return m, nil
	}
}

// expect receives a message of one type.
func expect[M protocol.Message](o *operation) (M, error) {
	var none M
	m, err := o.receive()
	if err != nil {
		return none, err
	}
	want, ok := m.(M)
	if !ok {
		return none, fmt.Errorf("%w: %v out of place", errProtocol, m.Type())
	}
	return want, nil
}

// finish sends End.
func (o *operation) finish(result protocol.EndResult) error {
	o.end()
	return o.send(&protocol.End{Ceremony: o.id, Result: result})
}

// maxEnded is how many finished operations of a session are remembered, for
// what may still be under way.
const maxEnded = 8

func (o *operation) end() {
	if !o.over {
		o.over = true
		o.conn.ended = append(o.conn.ended, o.id)
		o.conn.ended = o.conn.ended[max(0, len(o.conn.ended)-maxEnded):]
	}
}

func (c *pedConn) hasEnded(id protocol.CeremonyID) bool {
	for _, e := range c.ended {
		if e == id {
			return true
		}
	}
	return false
}

// abort ends the operation for err, so that the PED is idle afterwards, and
// returns err. What the PED cannot be blamed for leaves the session up; a
// broken record or protocol ends the connection.
func (o *operation) abort(err error) error {
	var (
		c cancelled
		l lost
		e *Error
	)
	switch {
	case errors.As(err, &c), errors.As(err, &l):
		// The PED knows, or cannot be told.
	case errors.Is(err, channel.ErrAlert), errors.Is(err, errClosed):
		o.conn.forget()
		o.conn.publish()
	case errors.Is(err, channel.ErrRefused), errors.Is(err, errProtocol):
		_ = o.conn.send(channel.AlertRecord())
		o.conn.forget()
		o.conn.fail(err)
		o.cer.slot.o.Log.Warn("PED connection ended", "cause", err)
	case errors.Is(err, errSilent):
		o.conn.fail(err)
	case errors.Is(err, channel.ErrExpired):
		o.conn.close()
	case o.over:
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		o.cancel(protocol.CancelHost)
	case errors.As(err, &e) && e.Code == keyFault:
		o.cancel(protocol.CancelKeyFault)
	default:
		o.cancel(protocol.CancelHost)
	}
	return err
}

func (o *operation) cancel(reason protocol.CancelReason) {
	o.end()
	_ = o.send(&protocol.Cancel{Ceremony: o.id, Reason: reason})
}

// label says what a wrapped secret of this operation is.
func (o *operation) label(op protocol.Op, set protocol.SetID, index uint8) channel.Label {
	return channel.Label{Ceremony: o.id, Op: op, Role: o.role, Serial: o.cer.slot.id.Serial, Set: set, Index: index}
}

// unwrap opens a 64-byte secret that the PED sent; the caller destroys it.
func (o *operation) unwrap(op protocol.Op, set protocol.SetID, index uint8, wrapped []byte) (*secret.Buffer, error) {
	v, err := o.conn.s.UnwrapSecret(o.label(op, set, index), wrapped)
	if err != nil {
		return nil, err
	}
	if v.Len() != rpv.SecretSize {
		v.Destroy()
		return nil, errProtocol
	}
	return v, nil
}
