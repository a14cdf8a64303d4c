package channel

import (
	"encoding/binary"
	"fmt"
	"sync"

	"openped/internal/wire"
)

// RecordKind is what Open has taken.
type RecordKind uint8

// Kinds of records of a session.
const (
	KindData        RecordKind = 1 // a payload
	KindActivity    RecordKind = 2 // the PED's dialogue runs (HSM side only)
	KindCloseNotify RecordKind = 3 // the peer has sent all it will
	KindAlert       RecordKind = 4 // the peer's alert; comes with ErrAlert
)

func (k RecordKind) String() string {
	switch k {
	case KindData:
		return "data"
	case KindActivity:
		return "activity"
	case KindCloseNotify:
		return "close_notify"
	case KindAlert:
		return "alert"
	}
	return fmt.Sprintf("record kind %d", uint8(k))
}

// Session protects what follows a handshake. Its methods may be called from
// several goroutines, but records must reach the peer in the order in which
// they were made. After a *RefusedError or ErrAlert it is dead.
type Session struct {
	mu         sync.Mutex
	own        direction // what this side sends
	keys       keys
	out, in    *half
	sentClose  bool
	peerClosed bool
	dead       bool
}

// newSession takes dkm over.
func newSession(own direction, dkm keys, limits Limits) (*Session, error) {
	s := &Session{own: own, keys: dkm}
	var err error
	if s.out, err = dkm.half(own, limits); err == nil {
		s.in, err = dkm.half(dirUV+dirVU-own, limits)
	}
	if err != nil {
		s.wipe()
		return nil, err
	}
	return s, nil
}

// Seal returns the next record with payload, up to MaxPayload bytes. ErrExpired
// and ErrClosed leave the session as it is.
func (s *Session) Seal(payload []byte) ([]byte, error) { return s.AppendSeal(nil, payload) }

// AppendSeal is Seal appending to dst. If dst has room (RecordSize), it
// allocates once.
func (s *Session) AppendSeal(dst, payload []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("%w: payload of %d bytes", ErrConfig, len(payload))
	}
	if err := s.canSend(len(payload)); err != nil {
		return nil, err
	}
	return s.out.seal(dst, TypeData, payload), nil
}

// RecordSize is the size of a record with a payload of n bytes.
func RecordSize(n int) int { return HeaderSize + padded(n) + TagSize }

// Activity returns the record that a PED sends every few seconds while a
// dialogue runs. The HSM has none.
func (s *Session) Activity() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own != dirVU {
		return nil, ErrConfig
	}
	if err := s.canSend(0); err != nil {
		return nil, err
	}
	return s.out.seal(nil, TypeActivity, nil), nil
}

// Close returns close_notify, the last record of this direction. It is there
// for an expired session too. An end of the connection without it is a
// truncation (PeerClosed).
func (s *Session) Close() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return nil, s.refuse(ErrDead)
	}
	if s.sentClose {
		return nil, ErrClosed
	}
	s.sentClose = true
	return s.out.seal(nil, TypeClose, binary.BigEndian.AppendUint64(nil, s.out.seq)), nil
}

func (s *Session) canSend(n int) error {
	switch {
	case s.dead:
		return s.refuse(ErrDead)
	case s.sentClose:
		return ErrClosed
	case !s.out.room(n):
		return ErrExpired
	}
	return nil
}

// Open takes the peer's next record. The payload is the caller's.
func (s *Session) Open(rec []byte) (RecordKind, []byte, error) { return s.AppendOpen(nil, rec) }

// AppendOpen is Open appending the payload to dst. If dst has room for rec's
// ciphertext, it allocates once.
func (s *Session) AppendOpen(dst, rec []byte) (RecordKind, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return 0, nil, s.refuse(ErrDead)
	}
	if IsAlert(rec) {
		s.wipe()
		return KindAlert, nil, ErrAlert
	}
	if s.peerClosed {
		return 0, nil, s.refuse(ErrClosed)
	}
	seq, start := s.in.seq, len(dst)
	t, out, err := s.in.open(dst, rec)
	if err != nil {
		return 0, nil, s.refuse(err)
	}
	payload := out[start:]
	// A record over the limit is the peer's fault, unless it closes.
	if t != TypeClose && (seq >= s.in.limits.Records || s.in.bytes > s.in.limits.Bytes) {
		clear(payload)
		return 0, nil, s.refuse(ErrExpired)
	}
	switch t {
	case TypeData:
		return KindData, out, nil
	case TypeActivity:
		if s.own == dirUV && len(payload) == 0 {
			return KindActivity, nil, nil
		}
	case TypeClose:
		if len(payload) == 8 && binary.BigEndian.Uint64(payload) == seq {
			s.peerClosed = true
			return KindCloseNotify, nil, nil
		}
	default:
		return 0, nil, s.refuse(fmt.Errorf("%w: %v", ErrSequence, t))
	}
	return 0, nil, s.refuse(wire.ErrMalformed)
}

// Worn reports whether either direction has carried nearly what it may: nothing
// long should begin any more. What is left, 2^28 records and 4 GiB, is more than
// what people can do in a day.
func (s *Session) Worn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dead && (s.out.worn() || s.in.worn())
}

// PeerClosed reports whether the peer's close_notify has come: a connection
// that ends before has been cut.
func (s *Session) PeerClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peerClosed
}

// Wipe ends the session and forgets its keys.
func (s *Session) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
}

func (s *Session) wipe() {
	s.dead = true
	s.keys.buf.Destroy()
	s.keys.buf, s.out, s.in = nil, nil, nil
}

func (s *Session) refuse(cause error) error {
	s.wipe()
	return &RefusedError{Stage: "session", Cause: cause}
}
