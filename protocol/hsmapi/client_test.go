package hsmapi

import (
	"errors"
	"io"
	"net"
	"testing"

	"openped/internal/wire"
)

// serve runs f as the server of one connection and returns a client to it.
func serve(t *testing.T, f func(*Conn) error) *Client {
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer b.Close()
		done <- f(NewConn(b))
	}()
	t.Cleanup(func() {
		a.Close()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return NewClient(NewConn(a))
}

func expect(c *Conn, want Type) (Message, error) {
	m, err := c.Recv()
	if err == nil && m.Type != want {
		err = errors.New("got " + m.String())
	}
	return m, err
}

func TestClientTalk(t *testing.T) {
	c := serve(t, func(s *Conn) error {
		for range 2 {
			m, err := expect(s, Request)
			if err != nil {
				return err
			}
			if cmd, _ := m.Fields.U16(TagCommand); Command(cmd) != HsmInit {
				return errors.New("another command: " + m.String())
			}
			for _, p := range []Message{
				{Progress, m.ID, Fields{}.AddU8(TagEvent, uint8(EventAttend))},
				{Prompt, m.ID, Fields{}.AddU8(TagPromptID, uint8(PromptEraseHSM))},
			} {
				if err := s.Send(p); err != nil {
					return err
				}
			}
			a, err := expect(s, Answer)
			if err != nil {
				return err
			}
			var no error
			if !a.Fields.Bool(TagYes) || a.ID != m.ID {
				no = &Error{Code: CKR_FUNCTION_CANCELED}
			}
			if err := s.Send(ResultOf(m.ID, Fields{}.AddU64(TagCount, uint64(m.ID)), no)); err != nil {
				return err
			}
		}
		return nil
	})
	var events []Event
	f, err := c.Do(HsmInit, Fields{}.AddText(TagLabel, "x"), Handler{
		Progress: func(e Event, _ Fields) { events = append(events, e) },
		Prompt:   func(p PromptID, _ Fields) (bool, error) { return p == PromptEraseHSM, nil },
	})
	if n, _ := f.U64(TagCount); err != nil || n != 1 || len(events) != 1 || events[0] != EventAttend {
		t.Error(f, err, events)
	}
	// Nobody to ask is a no.
	_, err = c.Do(HsmInit, nil, Handler{})
	var e *Error
	if !errors.As(err, &e) || e.Code != CKR_FUNCTION_CANCELED {
		t.Error(err)
	}
}

func TestClientCancel(t *testing.T) {
	attended := make(chan struct{})
	c := serve(t, func(s *Conn) error {
		m, err := expect(s, Request)
		if err != nil {
			return err
		}
		if err := s.Send(Message{Progress, m.ID, Fields{}.AddU8(TagEvent, uint8(EventAttend))}); err != nil {
			return err
		}
		x, err := expect(s, Cancel)
		if err != nil || x.ID != m.ID {
			return errors.Join(err, errors.New("cancel of another request"))
		}
		return s.Send(ResultOf(m.ID, nil, &Error{Code: CKR_FUNCTION_CANCELED}))
	})
	if err := c.Cancel(); err != nil { // nothing runs: nothing is sent
		t.Error(err)
	}
	go func() {
		<-attended
		if err := c.Cancel(); err != nil {
			t.Error(err)
		}
	}()
	_, err := c.Do(Login, nil, Handler{Progress: func(Event, Fields) { close(attended) }})
	var e *Error
	if !errors.As(err, &e) || e.Code != CKR_FUNCTION_CANCELED {
		t.Error(err)
	}
	if err := c.Cancel(); err != nil {
		t.Error(err)
	}
}

func TestClientPromptFails(t *testing.T) {
	c := serve(t, func(s *Conn) error {
		m, err := expect(s, Request)
		if err != nil {
			return err
		}
		if err := s.Send(Message{Prompt, m.ID, Fields{}.AddU8(TagPromptID, 1)}); err != nil {
			return err
		}
		if _, err := expect(s, Cancel); err != nil {
			return err
		}
		return s.Send(ResultOf(m.ID, nil, nil))
	})
	want := errors.New("terminal gone")
	if _, err := c.Do(Login, nil, Handler{Prompt: func(PromptID, Fields) (bool, error) { return false, want }}); err != want {
		t.Error(err)
	}
}

func TestClientBadServer(t *testing.T) {
	for name, c := range map[string]struct {
		m    Message
		want error
	}{
		"another id":        {Message{Result, 99, nil}, wire.ErrMalformed},
		"a request":         {Message{Request, 1, nil}, wire.ErrMalformed},
		"prompt without id": {Message{Prompt, 1, nil}, wire.ErrMalformed},
		"gone":              {Message{}, io.EOF},
	} {
		cl := serve(t, func(s *Conn) error {
			if _, err := expect(s, Request); err != nil || c.m.ID == 0 {
				return err
			}
			return s.Send(c.m)
		})
		if _, err := cl.Do(SlotList, nil, Handler{}); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestClientWipesWhatItSent(t *testing.T) {
	c := serve(t, func(s *Conn) error {
		m, err := expect(s, Request)
		if err != nil {
			return err
		}
		p := m.Fields.TakeSecret(TagPassword)
		defer p.Destroy()
		if string(p.Bytes()) != "18246843" {
			return errors.New("wrong password received")
		}
		return s.Send(ResultOf(m.ID, nil, nil))
	})
	f := Fields{}.AddSecret(TagPassword, password())
	if _, err := c.Do(PedConnect, f, Handler{}); err != nil || f[0].Value[0] != 0 {
		t.Error("password not wiped", err)
	}
}
