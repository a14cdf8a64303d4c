package pedclient

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"openped/certs"
	"openped/hsm"
	"openped/hsm/hsmtest"
	"openped/internal/logs"
	"openped/protocol"
	"openped/protocol/hsmapi"
)

// bench is a pedclient with one new HSM, a PEDserver and a PED behind it.
type bench struct {
	t    *testing.T
	dir  string
	c    *Client
	ped  *hsmtest.PED
	srv  *fakeServer
	log  *logBuffer
	port uint32
	tune func(*Config) // before the start
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func newBench(t *testing.T) *bench { return newTunedBench(t, nil) }

func newTunedBench(t *testing.T, tune func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), log: new(logBuffer), tune: tune}
	if _, err := CreateHSM(b.file(), "7000001", "7.7.0", filepath.Join(b.dir, "origin"), hsm.AuthPED); err != nil {
		t.Fatal(err)
	}
	root, err := certs.LoadOriginRoot(filepath.Join(b.dir, "origin"))
	if err != nil {
		t.Fatal(err)
	}
	b.ped = hsmtest.NewPED(&hsmtest.Keyring{}, root.Cert)
	b.ped.Pair = true
	b.srv = newFakeServer(t, b.ped)
	b.port = uint32(b.srv.l.Addr().(*net.TCPAddr).Port)
	b.start()
	t.Cleanup(func() {
		b.c.Close()
		if t.Failed() {
			t.Log(b.log.String())
		}
	})
	return b
}

func (b *bench) file() string { return filepath.Join(b.dir, "hsm") }

func (b *bench) start() {
	b.t.Helper()
	cfg := Config{HSMFiles: []string{b.file()}, Log: slog.New(logs.New(b.log, logs.Levels{Info: true, Warning: true, Error: true, Trace: true}))}
	if b.tune != nil {
		b.tune(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.c = c
}

// fakeServer lends a PED to everybody who asks.
type fakeServer struct {
	t   *testing.T
	l   net.Listener
	ped *hsmtest.PED

	mu    sync.Mutex
	conns []net.Conn
	busy  bool
	mute  bool
	held  chan struct{} // frames for the PED wait for its end; nil: for nothing
}

// hold keeps frames for the PED until it is false again.
func (s *fakeServer) hold(v bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v {
		s.held = make(chan struct{})
		return
	}
	close(s.held)
	s.held = nil
}

// freeze makes it say nothing any more.
func (s *fakeServer) freeze() { s.mu.Lock(); s.mute = true; s.mu.Unlock() }

func newFakeServer(t *testing.T, ped *hsmtest.PED) *fakeServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{t: t, l: l, ped: ped}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			all.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); s.cut(); all.Wait() })
	return s
}

// say sends a frame on all connections.
func (s *fakeServer) say(b protocol.Body) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = protocol.WriteBody(c, b)
	}
}

func (s *fakeServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *fakeServer) setBusy(v bool) { s.mu.Lock(); s.busy = v; s.mu.Unlock() }

func (s *fakeServer) serve(c net.Conn) {
	defer c.Close()
	send := func(b protocol.Body) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.mute {
			_ = protocol.WriteBody(c, b)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var pipe *hsmtest.Conn
	for {
		b, err := readBody(c)
		if err != nil {
			if pipe != nil {
				pipe.Close()
			}
			return
		}
		switch b := b.(type) {
		case protocol.Hello:
			send(protocol.Hello{MinVersion: 1, MaxVersion: 1, Software: "fake"})
		case protocol.Acquire:
			s.mu.Lock()
			busy := s.busy
			s.mu.Unlock()
			if busy {
				send(protocol.Busy{Since: 61})
				continue
			}
			send(protocol.Acquired{Serial: "PED0001", Firmware: "2.9.0", Software: true})
			pipe = s.ped.Connect()
			p := pipe
			go func() {
				for {
					f, err := p.Recv(ctx)
					if err != nil {
						return
					}
					send(protocol.PEDFrame{Bytes: f})
				}
			}()
		case protocol.PEDFrame:
			s.mu.Lock()
			held := s.held
			s.mu.Unlock()
			if held != nil {
				<-held
			}
			_ = pipe.Send(ctx, b.Bytes)
		case protocol.Probe:
			send(protocol.Probed{Connected: true, Serial: "PED0001", Firmware: "2.9.0", Software: true, Mode: protocol.PEDModeRemote, Busy: 7})
			return
		case protocol.Release:
			pipe.Close()
			pipe = nil
		case protocol.Ping:
			send(protocol.Pong(b))
		}
	}
}

// user is a local program connected to the HSM socket.
type user struct {
	t    *testing.T
	conn net.Conn
	api  *hsmapi.Client
	gone chan struct{}

	mu       sync.Mutex
	events   []hsmapi.Event
	password string
	text     []string
	yes      bool
	asked    []hsmapi.PromptID
	onPass   func(string)
}

func (b *bench) user() *user {
	b.t.Helper()
	near, far := net.Pipe()
	u := &user{t: b.t, conn: near, api: hsmapi.NewClient(hsmapi.NewConn(near)), gone: make(chan struct{}), yes: true}
	go func() {
		defer close(u.gone)
		place, err := b.c.places.take(peerOf(os.Geteuid()), far)
		if err != nil {
			b.t.Error(err)
			return
		}
		defer place.leave()
		b.c.serveCaller(context.Background(), far, place, b.c.cfg.Log)
	}()
	b.t.Cleanup(u.leave)
	return u
}

func (u *user) leave() { u.conn.Close(); <-u.gone }

func (u *user) do(cmd hsmapi.Command, f hsmapi.Fields) (hsmapi.Fields, error) {
	defer time.AfterFunc(time.Minute, func() {
		u.t.Errorf("%v does not end", cmd)
		u.conn.Close()
	}).Stop()
	return u.api.Do(cmd, f, hsmapi.Handler{
		Progress: func(e hsmapi.Event, f hsmapi.Fields) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.events = append(u.events, e)
			u.text = append(u.text, f.Texts(hsmapi.TagText)...)
			if pw := f.TakeSecret(hsmapi.TagPassword); pw != nil {
				u.password = string(pw.Bytes())
				pw.Destroy()
				if u.onPass != nil {
					u.onPass(u.password)
				}
			}
		},
		Prompt: func(p hsmapi.PromptID, _ hsmapi.Fields) (bool, error) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.asked = append(u.asked, p)
			return u.yes, nil
		},
	})
}

func (u *user) must(cmd hsmapi.Command, f hsmapi.Fields) hsmapi.Fields {
	u.t.Helper()
	out, err := u.do(cmd, f)
	if err != nil {
		var e *hsmapi.Error
		u.t.Fatalf("%v: %v %#v", cmd, err, e)
	}
	return out
}

// fails wants an error with a code and words in its message or hint.
func (u *user) fails(cmd hsmapi.Command, f hsmapi.Fields, want hsmapi.Code, words string) {
	u.t.Helper()
	_, err := u.do(cmd, f)
	e, ok := err.(*hsmapi.Error)
	if !ok || e.Code != want || !strings.Contains(e.Msg+"; "+e.Hint, words) {
		u.t.Errorf("%v: %#v, want %v with %q", cmd, err, want, words)
	}
}

func slot1() hsmapi.Fields { return hsmapi.Fields{}.AddU32(hsmapi.TagSlot, 1) }

func (b *bench) address() hsmapi.Fields {
	return slot1().AddText(hsmapi.TagHost, "127.0.0.1").AddU32(hsmapi.TagPort, b.port)
}

// until polls for up to ten seconds.
// told reports whether the HSM has sent the PED a message of a type.
func (b *bench) told(typ protocol.MsgType) func() bool {
	return func() bool {
		return slices.ContainsFunc(b.ped.Messages(), func(m protocol.Message) bool { return m.Type() == typ })
	}
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// bootstrap leaves the HSM initialised, with RPV, PED connected.
func (b *bench) bootstrap() *user {
	b.t.Helper()
	u := b.user()
	u.onPass = func(pw string) { b.ped.Type(pw) }
	u.must(hsmapi.PedConnect, b.address().AddBool(hsmapi.TagWantPassword, true))
	b.ped.Choose(hsmtest.Choice{M: 1, N: 1})
	b.ped.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	u.must(hsmapi.VectorInit, slot1())
	b.ped.Insert(hsmtest.Insert{Key: "orange", PIN: "4444"})
	b.ped.Choose(hsmtest.Choice{M: 2, N: 3}, hsmtest.Choice{M: 1, N: 1})
	b.ped.Insert(hsmtest.Blue...)
	b.ped.Insert(hsmtest.Red...)
	b.ped.Answer(true)
	u.must(hsmapi.HsmInit, slot1().AddText(hsmapi.TagLabel, "demo"))
	return u
}

func so() hsmapi.Fields { return slot1().AddU8(hsmapi.TagRole, uint8(protocol.RoleSO)) }
