package linkid

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

const (
	maxHandshake = 32 << 10 // bytes that a peer may send before it is accepted
	maxFirst     = 80       // bytes that are kept of them, to say what they were
	closeTime    = 250 * time.Millisecond
)

var errTooMuch = errors.New("more bytes than a handshake has")

// quiet is the connection below TLS. Until the peer is accepted it bounds what
// the peer sends, and swallows the alerts of this side: they would tell a
// stranger why he is refused.
type quiet struct {
	net.Conn
	accepted atomic.Bool
	closing  atomic.Bool

	// Of the goroutine that does the handshake.
	left  int
	first []byte
}

func newQuiet(c net.Conn) *quiet { return &quiet{Conn: c, left: maxHandshake} }

func (q *quiet) Read(b []byte) (int, error) {
	if q.accepted.Load() {
		return q.Conn.Read(b)
	}
	if q.left == 0 {
		return 0, errTooMuch
	}
	n, err := q.Conn.Read(b[:min(len(b), q.left)])
	q.left -= n
	q.first = append(q.first, b[:min(n, maxFirst-len(q.first))]...)
	return n, err
}

// Write gets whole records from crypto/tls. One with an alert goes nowhere, nor
// does what would go out together with it.
func (q *quiet) Write(b []byte) (int, error) {
	if !q.accepted.Load() && hasAlert(b) {
		return len(b), nil
	}
	return q.Conn.Write(b)
}

// SetWriteDeadline keeps the good-bye of a connection short: its peer may not be
// reading any more.
func (q *quiet) SetWriteDeadline(t time.Time) error {
	if soon := time.Now().Add(closeTime); q.closing.Load() && t.After(soon) {
		t = soon
	}
	return q.Conn.SetWriteDeadline(t)
}

// Types of TLS records, and the size of an encrypted alert: two bytes, their
// type, and the cipher's tag. No message of the handshake is as small.
const (
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
	recordHeader    = 5
	sealedAlert     = 2 + 1 + 16
)

// hasAlert reports whether records of this side have an alert among them, in the
// clear or encrypted.
func hasAlert(b []byte) bool {
	for len(b) >= recordHeader {
		n := int(b[3])<<8 | int(b[4])
		if b[0] == recordAlert || b[0] == recordData && n <= sealedAlert {
			return true
		}
		b = b[min(recordHeader+n, len(b)):]
	}
	return len(b) > 0 // not whole records: nothing that TLS would write
}

// serverRefuses finds in a server's first bytes, which are not encrypted, why
// there will be no handshake: 0 if they do not say.
func serverRefuses(first []byte) Reason {
	const (
		serverHello       = 2
		session           = recordHeader + 4 + 2 + 32 // after header, version and random: the session's id
		suites13          = 0x13                      // the first byte of all suites of TLS 1.3, and of none before
		alertCode         = recordHeader + 1
		protocolVersion   = 70
		noSuchApplication = 120
	)
	switch {
	case len(first) > alertCode && first[0] == recordAlert:
		switch first[alertCode] {
		case protocolVersion:
			return OldTLS
		case noSuchApplication:
			return WrongService
		}
	case len(first) > session && first[0] == recordHandshake && first[recordHeader] == serverHello:
		if suite := session + 1 + int(first[session]); suite < len(first) && first[suite] != suites13 {
			return OldTLS
		}
	}
	return 0
}
