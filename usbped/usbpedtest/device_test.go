package usbpedtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"openped/protocol"
	"openped/usbped"
)

func TestDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		d := New(Software)
		d.PushEvent(protocol.PEDEvent{Kind: protocol.EvtState, Mode: protocol.PEDModeRemote})
		if m, err := d.Recv(ctx); err != nil || m.Event == nil || d.Info() != Software {
			t.Fatal(m, err)
		}
		got := make(chan usbped.Message)
		go func() { m, _ := d.Recv(ctx); got <- m }()
		synctest.Wait()
		d.PushFrame([]byte{7})
		if m := <-got; len(m.Frame) != 1 {
			t.Error(m)
		}
		go func() { _ = d.Send(ctx, []byte{1}); _ = d.Send(ctx, []byte{2}) }()
		if f, err := d.WaitSent(ctx, 2); err != nil || f[0] != 2 || len(d.Sent()) != 2 {
			t.Error(f, err)
		}
		boom := errors.New("boom")
		for c, call := range map[Call]func(context.Context) error{
			Send: func(ctx context.Context) error { return d.Send(ctx, []byte{1}) }, Cancel: d.Cancel, Ping: d.Ping,
			Recv: func(ctx context.Context) error { d.PushFrame([]byte{1}); _, err := d.Recv(ctx); return err },
		} {
			before := d.Count(c)
			d.Fault(c, boom)
			if err := call(ctx); err != boom {
				t.Errorf("call %d: %v", c, err)
			}
			d.Fault(c, nil)
			d.Hang(c, true)
			short, cancel := context.WithTimeout(ctx, time.Second)
			if err := call(short); err != context.DeadlineExceeded {
				t.Errorf("call %d: %v", c, err)
			}
			cancel()
			d.Hang(c, false)
			if err := call(ctx); err != nil || d.Count(c) != before+3 {
				t.Errorf("call %d: %v", c, err)
			}
			if err := d.WaitCount(ctx, c, before+3); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestUnplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		d := New(Software)
		d.Hang(Ping, true)
		hung := make(chan error)
		go func() { hung <- d.Ping(ctx) }()
		synctest.Wait()
		d.PushFrame([]byte{1})
		d.Unplug()
		if err := <-hung; !errors.Is(err, usbped.ErrUnplugged) {
			t.Error(err)
		}
		if m, err := d.Recv(ctx); err != nil || m.Frame == nil { // what came before is delivered
			t.Error(m, err)
		}
		if _, err := d.Recv(ctx); !errors.Is(err, usbped.ErrUnplugged) {
			t.Error(err)
		}
		if err := d.Send(ctx, []byte{1}); !errors.Is(err, usbped.ErrUnplugged) || d.Closed() {
			t.Error(err)
		}
		if err := d.Close(); err != nil || !d.Closed() {
			t.Error(err)
		}
		if err := d.Cancel(ctx); err != usbped.ErrClosed {
			t.Error(err)
		}
	})
}

func TestOpenerAndPair(t *testing.T) {
	var o Opener
	d := New(Software)
	boom := errors.New("boom")
	o.AddError(boom)
	o.Add(d)
	if _, err := o.Open(t.Context()); err != boom {
		t.Error(err)
	}
	if got, err := o.Open(t.Context()); got != d || err != nil {
		t.Error(got, err)
	}
	if _, err := o.Open(t.Context()); !errors.Is(err, usbped.ErrNoDevice) || o.Opens() != 3 || o.String() == "" {
		t.Error(err)
	}
	h, g, err := Pair(t.Context(), Software)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	defer h.Close()
	if err := h.Ping(t.Context()); err != nil || h.Info() != Software {
		t.Error(err)
	}
}
