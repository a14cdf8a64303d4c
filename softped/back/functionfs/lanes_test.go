package functionfs

import (
	"errors"
	"testing"
	"testing/synctest"

	"openped/softped/back/usbdev"
	"openped/usbped"
)

func take(t *testing.T, ports usbdev.Ports) usbped.GadgetPort {
	t.Helper()
	select {
	case p := <-ports:
		return p
	default:
		t.Fatal("no port")
		return nil
	}
}

func TestLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ports := usbdev.NewPorts()
		l := newLanes(ports)
		l.deliver([]byte("for nobody")) // does not wait
		l.begin()
		p := take(t, ports)
		// A packet that is too large for the reader comes in pieces.
		go l.deliver([]byte("hello"))
		b := make([]byte, 3)
		for _, want := range []string{"hel", "lo"} {
			if n, err := p.Read(b); err != nil || string(b[:n]) != want {
				t.Errorf("%q %v", b[:n], err)
			}
		}
		// A frame is written when the kernel has taken it.
		errRefused := errors.New("refused")
		for _, answer := range []error{nil, errRefused} {
			done := make(chan error, 1)
			frame := []byte("frame")
			go func() { _, err := p.Write(frame); done <- err }()
			j := <-l.frames
			synctest.Wait()
			if len(done) > 0 || string(j.b) != "frame" {
				t.Error("written too early")
			}
			frame[0] = 'x'
			if string(j.b) != "frame" {
				t.Error("the writer's bytes are not its own")
			}
			j.done <- answer
			if err := <-done; err != answer {
				t.Error(err)
			}
		}
		// One that nobody takes ends with the era, and so do readers; what comes
		// then is the next one's.
		done := make(chan error, 3)
		go func() { _, err := p.Write(b); done <- err }()
		go func() { _, err := p.WriteEvent(b); done <- err }()
		go func() { _, err := p.Read(b); done <- err }()
		synctest.Wait()
		l.begin()
		for range 3 {
			if err := <-done; err != usbdev.ErrGone {
				t.Error(err)
			}
		}
		next := take(t, ports)
		go l.deliver([]byte("new"))
		if n, err := next.Read(b); err != nil || string(b[:n]) != "new" {
			t.Error(err)
		}
		if _, err := p.Read(b); err != usbdev.ErrGone {
			t.Error(err)
		}
		p.Close() // an old port's end is nobody's news
		if len(ports) != 0 {
			t.Error("a port for a host that has gone")
		}
		// The PED gives the host up: the next port is there at once. What the PED
		// had handed to the kernel stays there for the next host to read.
		go func() { _, err := next.Write([]byte("stale")); done <- err }()
		j := <-l.frames
		next.Close()
		if err := <-done; err != usbdev.ErrGone {
			t.Error(err)
		}
		j.done <- nil
		last := take(t, ports)
		go l.deliver([]byte("hi"))
		if n, err := last.Read(b); err != nil || string(b[:n]) != "hi" {
			t.Error(err)
		}
		l.end()
		if _, err := last.Read(b); err != usbdev.ErrGone {
			t.Error(err)
		}
		last.Close()
		if len(ports) != 0 {
			t.Error("a port with no host")
		}
	})
}
