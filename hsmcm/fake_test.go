package hsmcm

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"openped/internal/secret"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// fake is a pedclient that answers from a table.
type fake struct {
	mu       sync.Mutex
	handlers map[hsmapi.Command]func(*caller, hsmapi.Fields) (hsmapi.Fields, error)
	requests []string // as printed: secrets redacted
	cancels  int
	conns    int
	password string // the last one received, for the test to compare
	open     []io.Closer
}

// hangUp closes all connections, as a restart does.
func (f *fake) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.open {
		_ = c.Close()
	}
	f.open = nil
}

// caller is one request as its handler sees it.
type caller struct {
	conn      *hsmapi.Conn
	id        uint32
	answers   chan bool
	cancelled chan struct{}
	once      sync.Once
	loggedIn  *bool // of the connection; requests come one after another
}

// end tells the handler that nobody waits any more.
func (c *caller) end() {
	c.once.Do(func() {
		if c.cancelled != nil {
			close(c.cancelled)
		}
	})
}

func (c *caller) say(e hsmapi.Event, f hsmapi.Fields) {
	_ = c.conn.Send(hsmapi.Message{Type: hsmapi.Progress, ID: c.id, Fields: append(hsmapi.Fields{}.AddU8(hsmapi.TagEvent, uint8(e)), f...)})
}

// ask returns the console's answer; a cancel is a no.
func (c *caller) ask(p hsmapi.PromptID, f hsmapi.Fields) bool {
	_ = c.conn.Send(hsmapi.Message{Type: hsmapi.Prompt, ID: c.id, Fields: append(hsmapi.Fields{}.AddU8(hsmapi.TagPromptID, uint8(p)), f...)})
	select {
	case yes := <-c.answers:
		return yes
	case <-c.cancelled:
		return false
	}
}

var errHangUp = errors.New("hang up")

// serve answers on one connection until it ends.
func (f *fake) serve(rw io.ReadWriteCloser) {
	defer rw.Close()
	f.mu.Lock()
	f.conns++
	f.open = append(f.open, rw)
	f.mu.Unlock()
	conn := hsmapi.NewConn(rw)
	loggedIn := false
	c := &caller{}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		m, err := conn.Recv()
		if err != nil {
			c.end()
			return
		}
		switch m.Type {
		case hsmapi.Request:
			cmd, _ := m.Fields.U16(hsmapi.TagCommand)
			f.mu.Lock()
			f.requests = append(f.requests, hsmapi.Command(cmd).String()+": "+m.Fields.String())
			h := f.handlers[hsmapi.Command(cmd)]
			f.mu.Unlock()
			if pw := m.Fields.TakeSecret(hsmapi.TagPassword); pw != nil {
				f.password = string(pw.Bytes())
			}
			c = &caller{conn: conn, id: m.ID, answers: make(chan bool), cancelled: make(chan struct{}), loggedIn: &loggedIn}
			c := c
			running.Go(func() {
				out, err := hsmapi.Fields(nil), error(&hsmapi.Error{Code: hsmapi.CKR_FUNCTION_NOT_SUPPORTED})
				if h != nil {
					out, err = h(c, m.Fields)
				}
				if errors.Is(err, errHangUp) {
					_ = rw.Close()
					return
				}
				_ = c.conn.Send(hsmapi.ResultOf(m.ID, out, err))
			})
		case hsmapi.Answer:
			c.answers <- m.Fields.Bool(hsmapi.TagYes)
		case hsmapi.Cancel:
			f.mu.Lock()
			f.cancels++
			f.mu.Unlock()
			c.end()
		}
	}
}

func (f *fake) dial(_, _ string) (Conn, error) {
	near, far := net.Pipe()
	go f.serve(far)
	return near, nil
}

// newFake is a pedclient with one virtual HSM.
func newFake() *fake {
	ok := func(*caller, hsmapi.Fields) (hsmapi.Fields, error) { return nil, nil }
	attend := func(c *caller, _ hsmapi.Fields) (hsmapi.Fields, error) {
		c.say(hsmapi.EventAttend, nil)
		return nil, nil
	}
	info := func(c *caller, f hsmapi.Fields) (hsmapi.Fields, error) {
		if n, _ := f.U32(hsmapi.TagSlot); n != 1 {
			return nil, &hsmapi.Error{Code: hsmapi.CKR_SLOT_ID_INVALID}
		}
		out := hsmapi.Fields{}.AddU32(hsmapi.TagSlot, 1).AddText(hsmapi.TagLabel, "demo").AddText(hsmapi.TagSerial, "7000001").
			AddText(hsmapi.TagDriver, "virtual").AddText(hsmapi.TagFirmware, "7.7.0").AddText(hsmapi.TagAuth, "ped").AddU8(hsmapi.TagState, uint8(hsmapi.StateInitialized)).
			AddBool(hsmapi.TagRPVInitialized, true).AddU32(hsmapi.TagAttempts, 3).AddBool(hsmapi.TagConnected, false)
		if *c.loggedIn {
			out = out.AddU8(hsmapi.TagLoggedIn, uint8(protocol.RoleSO))
		}
		return out, nil
	}
	return &fake{handlers: map[hsmapi.Command]func(*caller, hsmapi.Fields) (hsmapi.Fields, error){
		hsmapi.SlotList: func(c *caller, _ hsmapi.Fields) (hsmapi.Fields, error) {
			return info(c, hsmapi.Fields{}.AddU32(hsmapi.TagSlot, 1))
		},
		hsmapi.SlotInfo: info,
		hsmapi.PedConnect: func(c *caller, f hsmapi.Fields) (hsmapi.Fields, error) {
			if f.Bool(hsmapi.TagWantPassword) {
				c.say(hsmapi.EventPassword, hsmapi.Fields{}.AddSecret(hsmapi.TagPassword, secret.Copy([]byte("18246843"))))
			}
			return nil, nil
		},
		hsmapi.PedDisconnect: ok,
		hsmapi.PedSet:        ok,
		hsmapi.PedShow: func(*caller, hsmapi.Fields) (hsmapi.Fields, error) {
			return hsmapi.Fields{}.AddBool(hsmapi.TagConnected, true).AddU32(hsmapi.TagSeconds, 61).AddText(hsmapi.TagHost, "127.0.0.1").
				AddU32(hsmapi.TagPort, 1503).AddText(hsmapi.TagPEDSerial, "SOFT0001").AddBool(hsmapi.TagSoftware, true).AddText(hsmapi.TagPEDFirmware, "2.9.0"), nil
		},
		hsmapi.VectorInit: attend,
		hsmapi.HsmInit: func(c *caller, f hsmapi.Fields) (hsmapi.Fields, error) {
			if !f.Bool(hsmapi.TagForce) && !c.ask(hsmapi.PromptEraseHSM, nil) {
				return nil, &hsmapi.Error{Code: hsmapi.CKR_FUNCTION_CANCELED}
			}
			return attend(c, f)
		},
		hsmapi.Login: func(c *caller, f hsmapi.Fields) (hsmapi.Fields, error) {
			*c.loggedIn = true
			return attend(c, f)
		},
		hsmapi.Logout: func(c *caller, _ hsmapi.Fields) (hsmapi.Fields, error) {
			if !*c.loggedIn {
				return nil, &hsmapi.Error{Code: hsmapi.CKR_USER_NOT_LOGGED_IN}
			}
			*c.loggedIn = false
			return nil, nil
		},
		hsmapi.ChangePIN: attend,
		hsmapi.AuditShow: func(c *caller, _ hsmapi.Fields) (hsmapi.Fields, error) {
			c.say(hsmapi.EventText, hsmapi.Fields{}.AddText(hsmapi.TagText, "1 login so ok").AddText(hsmapi.TagText, "2 logout so ok"))
			return hsmapi.Fields{}.AddU64(hsmapi.TagCount, 2), nil
		},
		hsmapi.AuditVerify: func(*caller, hsmapi.Fields) (hsmapi.Fields, error) {
			return hsmapi.Fields{}.AddU64(hsmapi.TagCount, 2).AddU64(hsmapi.TagRecord, 2).AddText(hsmapi.TagHash, strings.Repeat("ab", 64)), nil
		},
	}}
}

// console runs hsmcm with args and input and returns its exit code and output.
func console(t *testing.T, f *fake, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(args, Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs}, f.dial)
	return code, out.String(), errs.String()
}
