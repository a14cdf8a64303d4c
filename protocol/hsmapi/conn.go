package hsmapi

import (
	"errors"
	"io"
	"sync"

	"openped/internal/wire"
)

// ErrVersion is the error for a message of another version of the protocol.
var ErrVersion = errors.New("version not supported")

// Conn sends and receives messages over a connection, which the caller opened
// and closes. Send may be called from several goroutines, Recv from one.
type Conn struct {
	rw io.ReadWriter
	mu sync.Mutex // one message at a time
}

// NewConn returns a Conn over rw.
func NewConn(rw io.ReadWriter) *Conn { return &Conn{rw: rw} }

// Send writes one message in one Write. The error is wire.ErrMalformed, with
// nothing written, for a message that may not be sent, or the writer's own.
func (c *Conn) Send(m Message) error {
	b, err := m.Encode()
	if err != nil {
		return err
	}
	defer clear(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = c.rw.Write(b)
	return err
}

// Recv reads one message. The error is io.EOF at the end of the connection
// between two messages, io.ErrUnexpectedEOF within one, wire.ErrMalformed,
// ErrVersion or ErrCritical for a message that may not be, or the reader's own.
func (c *Conn) Recv() (Message, error) {
	var h [4]byte
	if _, err := io.ReadFull(c.rw, h[:]); err != nil {
		return Message{}, err
	}
	n := wire.NewReader(h[:]).U32()
	if n < headerSize || n > MaxFrame {
		return Message{}, wire.ErrMalformed
	}
	b := make([]byte, n)
	defer clear(b)
	if _, err := io.ReadFull(c.rw, b); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Message{}, err
	}
	return Decode(b)
}

// ResultOf makes the Result of a request: fields with CKR_OK for a nil error,
// else the error's code, message and hint. An error that is no *Error counts as
// CKR_GENERAL_ERROR; its text is not sent.
func ResultOf(id uint32, fields Fields, err error) Message {
	if err == nil {
		return Message{Result, id, append(Fields{}.AddU32(TagCode, uint32(CKR_OK)), fields...)}
	}
	e := &Error{Code: CKR_GENERAL_ERROR}
	errors.As(err, &e)
	out := Fields{}.AddU32(TagCode, uint32(e.Code))
	if e.Msg != "" {
		out = out.AddText(TagText, e.Msg)
	}
	if h := e.Hint; h != "" {
		out = out.AddText(TagHint, h)
	} else if h = e.Code.Hint(); h != "" {
		out = out.AddText(TagHint, h)
	}
	return Message{Result, id, out}
}

// ErrorOf returns nil for a Result with CKR_OK, else an *Error.
func ErrorOf(result Fields) error {
	c, ok := result.U32(TagCode)
	if !ok {
		return &Error{Code: CKR_GENERAL_ERROR, Msg: "result without a code"}
	}
	if Code(c) == CKR_OK {
		return nil
	}
	e := &Error{Code: Code(c)}
	e.Msg, _ = result.Text(TagText)
	e.Hint, _ = result.Text(TagHint)
	return e
}
