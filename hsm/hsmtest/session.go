package hsmtest

import (
	"context"
	"errors"
	"time"

	"openped/hsm"
	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
)

var (
	errDied   = errors.New("the PED died on purpose")
	errGone   = errors.New("the connection is gone")
	errEnded  = errors.New("the channel ended")
	errRules  = errors.New("the HSM broke the rules")
	errUnlike = errors.New("orange key does not serve this HSM")
)

// helloErr carries a Hello that came in place of something else.
type helloErr struct{ frame []byte }

func (helloErr) Error() string { return "a new handshake" }

// cancelled ends an operation from this side, or, with quiet, from the other.
type cancelled struct {
	reason protocol.CancelReason
	quiet  bool
}

func (c cancelled) Error() string { return "cancelled: " + c.reason.String() }

// session is one channel, from Hello to its end.
type session struct {
	p  *PED
	c  hsm.FrameConn
	in chan []byte

	v  *channel.V
	s  *channel.Session
	id protocol.CeremonyID // of the operation that runs

	last string // the key written last, still in the port
}

// run does a handshake and what follows. It returns the Hello that ended it, if
// one did.
func (s *session) run(hello []byte) ([]byte, error) {
	s.v, s.s = nil, nil
	s.p.change(func() { s.p.served = s })
	err := s.handshake(hello)
	for err == nil {
		err = s.operation()
		if c := (cancelled{}); errors.As(err, &c) {
			err = nil
			if !c.quiet {
				err = s.send(&protocol.Cancel{Ceremony: s.id, Reason: c.reason})
			}
		}
	}
	if s.v != nil {
		s.v.Wipe()
	}
	if s.s != nil {
		if errors.Is(err, channel.ErrExpired) {
			if rec, err := s.s.Close(); err == nil {
				_ = s.raw(rec)
			}
		}
		s.s.Wipe()
	}
	if errors.Is(err, channel.ErrRefused) || errors.Is(err, errRules) || errors.Is(err, errUnlike) {
		_ = s.raw(channel.AlertRecord())
	}
	if h := (helloErr{}); errors.As(err, &h) {
		return h.frame, nil
	}
	return nil, err
}

func (s *session) raw(f []byte) error {
	if err := s.c.Send(context.Background(), f); err != nil {
		return errGone
	}
	return nil
}

func (s *session) frame() ([]byte, error) {
	f, ok := <-s.in
	if !ok {
		return nil, errGone
	}
	return f, nil
}

// person waits for something that a custodian does. Frames that come meanwhile
// end the wait: nothing but an end can come.
func person[T any](s *session, take func() (T, bool)) (T, error) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		s.p.mu.Lock()
		if s.p.served != s {
			s.p.mu.Unlock()
			var none T
			return none, errGone
		}
		v, ok := take()
		reason, wake := s.p.cancel, s.p.wake
		if !ok {
			s.p.cancel = 0
		}
		s.p.mu.Unlock()
		if ok {
			return v, nil
		}
		if reason != 0 {
			return v, cancelled{reason: reason}
		}
		select {
		case <-wake:
		case f, ok := <-s.in:
			if !ok {
				return v, errGone
			}
			return v, s.interrupted(f)
		case <-tick.C:
			if s.p.Silent {
				continue
			}
			rec, err := s.activity()
			if err != nil {
				return v, err
			}
			if err := s.raw(rec); err != nil {
				return v, err
			}
		}
	}
}

func (s *session) activity() ([]byte, error) {
	if s.s != nil {
		return s.s.Activity()
	}
	return s.v.Activity()
}

// interrupted says what a frame in the middle of a dialogue means.
func (s *session) interrupted(f []byte) error {
	if channel.IsHello(f) {
		return helloErr{f}
	}
	if s.s == nil {
		_, err := s.v.Receive(f)
		if err == nil {
			err = errRules
		}
		return err
	}
	m, err := s.open(f)
	if err != nil {
		return err
	}
	if c, ok := m.(*protocol.Cancel); ok && c.Ceremony == s.id {
		return cancelled{quiet: true}
	}
	return errRules
}

// next receives the HSM's next message.
func (s *session) next() (protocol.Message, error) {
	f, err := s.frame()
	if err != nil {
		return nil, err
	}
	if channel.IsHello(f) {
		return nil, helloErr{f}
	}
	m, err := s.open(f)
	if err != nil {
		return nil, err
	}
	if c, ok := m.(*protocol.Cancel); ok {
		if c.Ceremony == s.id {
			return nil, cancelled{quiet: true}
		}
		return s.next()
	}
	return m, nil
}

func (s *session) open(f []byte) (protocol.Message, error) {
	kind, b, err := s.s.Open(f)
	if err != nil {
		return nil, err
	}
	if kind != channel.KindData {
		return nil, errEnded
	}
	m, err := protocol.DecodeMessage(b)
	if err != nil || !m.Type().FromHSM() {
		return nil, errRules
	}
	s.p.mu.Lock()
	s.p.seen = append(s.p.seen, m)
	s.p.mu.Unlock()
	if s.p.OnMessage != nil && !s.p.OnMessage(m) {
		s.c.Close()
		return nil, errDied
	}
	return m, nil
}

// expect receives a message of one type.
func expect[M protocol.Message](s *session) (M, error) {
	m, err := s.next()
	if err != nil {
		var none M
		return none, err
	}
	want, ok := m.(M)
	if !ok {
		return want, errRules
	}
	return want, nil
}

func (s *session) send(m protocol.Message) error {
	if s.p.Hook != nil {
		if m = s.p.Hook(m); m == nil {
			return nil
		}
	}
	rec, err := s.s.Seal(protocol.EncodeMessage(m))
	if err != nil {
		return err
	}
	return s.raw(rec)
}

// save stores a key, or dies trying.
func (s *session) save(name string, k *rpv.Key) error {
	if s.p.OnSave != nil && !s.p.OnSave(name) {
		s.c.Close()
		return errDied
	}
	s.p.Keys.Save(name, k)
	return nil
}

func (s *session) label(op protocol.Op, role protocol.Role, set protocol.SetID, index uint8) channel.Label {
	return channel.Label{Ceremony: s.id, Op: op, Role: role, Serial: s.v.Peer().Serial, Set: set, Index: index}
}

func (s *session) unwrap(op protocol.Op, role protocol.Role, set protocol.SetID, index uint8, b []byte) (*secret.Buffer, error) {
	return s.s.UnwrapSecret(s.label(op, role, set, index), b)
}
