package usbped

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/internal/localsock"
	"openped/internal/winacl"
)

// answering plays a PED that takes everything and says only what it is told to.
func answering(t *testing.T, say func(*peer), hangUp bool) net.Conn {
	a, b := net.Pipe()
	p := newPeer(t, b)
	go func() {
		say(p)
		if hangUp {
			b.Close()
			return
		}
		io.Copy(io.Discard, b)
	}()
	return a
}

func TestOpenFails(t *testing.T) {
	silent := func(*peer) {}
	reset := func(p *peer) {
		if p.in.seekReset() == nil {
			p.send(typeReset, p.next(typeReset).payload)
		}
	}
	info := func(typ frameType, payload []byte, skip uint32) func(*peer) {
		return func(p *peer) {
			reset(p)
			p.next(typeInfoRequest)
			p.tx += skip
			p.send(typ, payload)
		}
	}
	payload := func(version uint8, busy bool) []byte {
		p := testPayload
		p.version, p.busy = version, busy
		return p.encode()
	}
	for name, c := range map[string]struct {
		say    func(*peer)
		hangUp bool
		want   error // of a stream
		after  time.Duration
	}{
		"silent":       {silent, false, ErrMute, AnswerTimeout},
		"silent later": {reset, false, ErrNotPED, AnswerTimeout},
		"another protocol": {func(p *peer) {
			go p.c.Write([]byte("HTTP/1.1 400 Bad Request\r\n"))
		}, false, ErrNotPED, AnswerTimeout},
		"another's answer": {func(p *peer) {
			p.in.seekReset()
			p.send(typeReset, testToken[:])
		}, false, ErrNotPED, AnswerTimeout},
		"hangs up":        {silent, true, ErrUnplugged, 0},
		"hangs up later":  {reset, true, ErrUnplugged, 0},
		"in use":          {info(typeInfo, payload(1, true), 0), false, ErrInUse, 0},
		"other version":   {info(typeInfo, payload(0, false), 0), false, ErrNotPED, 0},
		"unasked version": {info(typeInfo, payload(2, false), 0), false, ErrNotPED, 0},
		"bad info":        {info(typeInfo, make([]byte, 11), 0), false, ErrNotPED, 0},
		"wrong number":    {info(typeInfo, payload(1, false), 1), false, ErrNotPED, 0},
		"frame for info":  {info(typeFrame, []byte{1}, 0), false, ErrNotPED, 0},
		"babble": {func(p *peer) {
			go io.Copy(io.Discard, p.c)
			for range maxStale/flush + 1 {
				p.c.Write(zeros[:])
			}
		}, false, ErrNotPED, 0},
	} {
		for _, stream := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				h, err := newHost(t.Context(), streamPort{answering(t, c.say, c.hangUp)}, stream)
				want := c.want
				if c.after > 0 && !stream {
					want = ErrMute
				}
				if h != nil || !errors.Is(err, want) || Hint(err) == "" || time.Since(start) != c.after {
					t.Errorf("%s: %v after %v, want %v after %v", name, err, time.Since(start), want, c.after)
				}
				if want == ErrUnplugged && errors.Is(err, ErrNotPED) {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := NewHost(ctx, answering(t, silent, false)); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}

// What a PED still had to say to the host before is not for this one, nor is the
// answer to that one's RESET.
func TestOpenAfterAnotherHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHost(t.Context(), answering(t, func(p *peer) {
			go func() {
				p.c.Write([]byte{1, 2, 3, 'O', 'P', 6}) // the end of a frame
				p.c.Write(appendFrame(nil, testToken.frame()))
				p.c.Write(appendFrame(nil, rawFrame{typ: typeFrame, seq: 17, payload: []byte{1}}))
				p.answer(testPayload)
			}()
			<-t.Context().Done()
		}, false))
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if m, err := h.Recv(ctx); err != context.DeadlineExceeded {
			t.Errorf("got %v, %v", m, err)
		}
	})
}

func TestGadgetDropsSilentHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		g := NewGadget(b, testInfo)
		defer g.Close()
		if err := g.SendEvent(t.Context(), stateEvent); err != ErrNotOpen {
			t.Errorf("event before a host opened: %v", err)
		}
		start := time.Now()
		if m, err := g.Recv(t.Context()); !errors.Is(err, ErrUnplugged) || time.Since(start) != HandshakeTimeout {
			t.Errorf("%v, %v after %v", m, err, time.Since(start))
		}
	})
	synctest.Test(t, func(t *testing.T) { // one that opened may be silent for long
		g, _ := rawHost(t)
		time.Sleep(time.Hour)
		if err := g.c.err(); err != nil {
			t.Error(err)
		}
	})
}

// A host that starts again on the same stream opens the PED anew.
func TestReopen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, host := rawHost(t)
		host.send(typeCancel, u32(7))
		host.tx = 0
		host.send(typeReset, testToken[:])
		host.next(typeReset)
		if err := g.SendFrame(t.Context(), []byte{1}); err != ErrNotOpen {
			t.Errorf("a frame for nobody: %v", err)
		}
		if err := g.SendCanceled(t.Context(), 7); err != ErrNotOpen {
			t.Errorf("an answer for nobody: %v", err)
		}
		host.send(typeInfoRequest, infoRequest{1, 1, MaxSegment}.encode())
		host.next(typeInfo)
		for _, want := range []FromHostKind{HostGone, HostOpened} {
			take(t, g, want)
		}
		if err := g.SendCanceled(t.Context(), 7); err != nil {
			t.Error(err)
		}
		host.send(typePing, u32(1))
		host.next(typePong) // and no CANCELED
	})
}

func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		refused := make(chan error, 1)
		go func() { refused <- Refuse(t.Context(), b, testInfo) }()
		if _, err := NewHost(t.Context(), a); !errors.Is(err, ErrInUse) {
			t.Error(err)
		}
		if err := <-refused; err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		start := time.Now()
		if err := Refuse(t.Context(), b, testInfo); err == nil || time.Since(start) != HandshakeTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestSocketOpener(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "ped.sock")
	o, ok := ParseDevice("unix:"+path, nil)
	if !ok || o.String() != "unix:"+path {
		t.Fatal(o)
	}
	if _, err := o.Open(ctx); !errors.Is(err, ErrNoDevice) {
		t.Errorf("no socket: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Open(ctx); !errors.Is(err, ErrNoDevice) {
		t.Errorf("not a socket: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan *Gadget, 1)
	go func() {
		for first := true; ; first = false {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if first {
				accepted <- NewGadget(c, testInfo)
				continue
			}
			_ = Refuse(ctx, c, testInfo)
		}
	}()
	d, err := o.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	g := <-accepted
	defer g.Close()
	if _, err := o.Open(ctx); !errors.Is(err, ErrInUse) {
		t.Errorf("second host: %v", err)
	}
	if err := d.Ping(ctx); err != nil {
		t.Error(err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := o.Open(over); err != context.Canceled {
		t.Errorf("context over: %v", err)
	}
	g.Close()
	if _, err := d.Recv(ctx); !errors.Is(err, ErrUnplugged) {
		t.Error(err)
	}
}

func TestParseDevice(t *testing.T) {
	for _, s := range []string{"", "unix:", "usb:", "usbx", "/run/ped.sock", "UNIX:/x"} {
		if o, ok := ParseDevice(s, nil); ok {
			t.Errorf("%q is %v", s, o)
		}
	}
}

func TestHints(t *testing.T) {
	for _, err := range []error{ErrUnplugged, ErrNoDevice, ErrNoAccess, ErrInUse, ErrNotPED, ErrClosed, ErrCorrupt, ErrOverrun, ErrTooLong, ErrNotOpen, ErrAborted, ErrMute, ErrSeveral, ErrNoUSB, ErrNotBuilt} {
		if Hint(err) == "" || bytes.ContainsRune([]byte(Hint(err)), '\n') {
			t.Errorf("%v: hint %q", err, Hint(err))
		}
	}
	c := newConn(func() error { return nil })
	c.fail(ErrCorrupt)
	if err := c.err(); !errors.Is(err, ErrUnplugged) || Hint(err) != Hint(ErrCorrupt) {
		t.Errorf("%v: hint %q", err, Hint(err))
	}
	if Hint(errors.New("x")) != "" || Hint(nil) != "" {
		t.Error("hint for another's error")
	}
	for k, want := range map[FromHostKind]string{HostOpened: "opened", HostFrame: "frame", HostCancel: "cancel", HostGone: "gone", 9: "unknown"} {
		if k.String() != want {
			t.Error(k)
		}
	}
}

// TestTrustedPipe: the name of a pipe is anybody's who takes it first. Not everybody
// is a PED.
//
// Without trust everybody is.
func TestTrustedPipe(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	const stranger = "S-1-5-21-1-2-3-1001"
	mine := PipeOfUser + me.Username[strings.LastIndexByte(me.Username, '\\')+1:]
	for _, c := range []struct {
		name string
		peer localsock.Peer
		ok   bool
	}{
		{"ped", localsock.Peer{User: stranger, Owner: true}, true},
		{"ped", localsock.Peer{User: stranger}, false},
		{"ped", localsock.Peer{User: me.Uid}, false},
		{mine, localsock.Peer{User: me.Uid}, true},
		{mine, localsock.Peer{User: stranger}, false},
		{"ped", localsock.Peer{User: winacl.ServiceSID("softped")}, true},
		{"ped", localsock.Peer{User: winacl.ServiceSID("desk2")}, false},
		{PipeOfUser + "desk2", localsock.Peer{User: winacl.ServiceSID("desk2")}, true},
	} {
		path, err := localsock.Pipe(c.name)
		if err != nil {
			t.Fatal(err)
		}
		err = trust(path)(c.peer)
		if (err == nil) != c.ok || err != nil && (!errors.Is(err, ErrNoAccess) || !strings.Contains(Hint(err), PipeOfUser)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if trust("/run/ped.sock") != nil {
		t.Error("a unix socket is in a folder of its owner's choice")
	}
}
