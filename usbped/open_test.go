package usbped

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// answering plays a PED that takes everything and says only what it is told to.
func answering(t *testing.T, answer []byte, hangUp bool) net.Conn {
	a, b := net.Pipe()
	t.Cleanup(func() { b.Close() })
	go func() {
		if hangUp {
			_, _ = readFrame(b)
			b.Write(answer)
			b.Close()
			return
		}
		go b.Write(answer)
		for {
			if _, err := readFrame(b); err != nil {
				return
			}
		}
	}()
	return a
}

func TestOpenFails(t *testing.T) {
	reset := appendFrame(rawFrame{typeReset, 0, nil})
	info := func(p infoPayload) []byte {
		return append(bytes.Clone(reset), appendFrame(rawFrame{typeInfo, 1, p.encode()})...)
	}
	for name, c := range map[string]struct {
		answer []byte
		hangUp bool
		want   error
		after  time.Duration
	}{
		"silent":           {nil, false, ErrNotPED, HandshakeTimeout},
		"silent later":     {reset, false, ErrNotPED, HandshakeTimeout},
		"another protocol": {[]byte("HTTP/1.1 400 Bad Request\r\n"), false, ErrNotPED, 0},
		"hangs up":         {nil, true, ErrUnplugged, 0},
		"hangs up later":   {reset, true, ErrUnplugged, 0},
		"in use":           {info(infoPayload{1, true, testInfo}), false, ErrInUse, 0},
		"other version":    {info(infoPayload{0, false, testInfo}), false, ErrNotPED, 0},
		"unasked version":  {info(infoPayload{2, false, testInfo}), false, ErrNotPED, 0},
		"bad info":         {append(bytes.Clone(reset), appendFrame(rawFrame{typeInfo, 1, []byte{1, 0x80, 0, 0, 0}})...), false, ErrNotPED, 0},
		"wrong number":     {append(bytes.Clone(reset), appendFrame(rawFrame{typeInfo, 2, infoPayload{1, false, testInfo}.encode()})...), false, ErrNotPED, 0},
		"frame for info":   {append(bytes.Clone(reset), appendFrame(rawFrame{typeFrame, 1, []byte{1}})...), false, ErrNotPED, 0},
		"babble":           {bytes.Repeat(appendFrame(rawFrame{typeFrame, 1, []byte{1}}), 100), false, ErrNotPED, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			h, err := NewHost(t.Context(), answering(t, c.answer, c.hangUp))
			if h != nil || !errors.Is(err, c.want) || Hint(err) == "" || time.Since(start) != c.after {
				t.Errorf("%s: %v after %v, want %v after %v", name, err, time.Since(start), c.want, c.after)
			}
			if c.want == ErrUnplugged && errors.Is(err, ErrNotPED) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := NewHost(ctx, answering(t, nil, false)); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}

// What a PED still had to say to the host before is not for this one.
func TestOpenAfterAnotherHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := append(appendFrame(rawFrame{typeFrame, 17, []byte{1}}), appendFrame(rawFrame{typeReset, 0, nil})...)
		answer = append(answer, appendFrame(rawFrame{typeInfo, 1, infoPayload{1, false, testInfo}.encode()})...)
		h, err := NewHost(t.Context(), answering(t, answer, false))
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

// A host that starts again on the same cable opens the PED anew.
func TestReopen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, a := rawHost(t)
		a.Write(appendFrame(rawFrame{typeCancel, 2, nil}))
		rawOpen(t, a)
		for _, want := range []FromHostKind{HostCancel, HostOpened} {
			if m, err := g.Recv(t.Context()); err != nil || m.Kind != want {
				t.Fatal(m, err)
			}
		}
		a.Write(appendFrame(rawFrame{typeReset, 0, nil}))
		if _, err := readFrame(a); err != nil {
			t.Fatal(err)
		}
		if err := g.SendFrame(t.Context(), []byte{1}); err != ErrNotOpen {
			t.Errorf("a frame for nobody: %v", err)
		}
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
	for _, err := range []error{ErrUnplugged, ErrNoDevice, ErrNoAccess, ErrInUse, ErrNotPED, ErrClosed, ErrCorrupt, ErrOverrun, ErrTooLong, ErrNotOpen} {
		if Hint(err) == "" || bytes.ContainsRune([]byte(Hint(err)), '\n') {
			t.Errorf("%v: hint %q", err, Hint(err))
		}
	}
	if Hint(errors.New("x")) != "" || Hint(nil) != "" {
		t.Error("hint for another's error")
	}
	for k, want := range map[FromHostKind]string{HostOpened: "opened", HostFrame: "frame", HostCancel: "cancel", 9: "unknown"} {
		if k.String() != want {
			t.Error(k)
		}
	}
}
