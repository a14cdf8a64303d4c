package softped

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"openped/protocol"
	"openped/rpv"
	"openped/usbped"
)

// slowCable takes its time with the event that tells of one mode.
type slowCable struct {
	*cable
	slow    protocol.PEDMode
	reached chan struct{}
	goOn    chan struct{}
}

func (c *slowCable) SendEvent(ctx context.Context, e protocol.PEDEvent) error {
	if e.Mode == c.slow {
		close(c.reached)
		<-c.goOn
	}
	return c.cable.SendEvent(ctx, e)
}

// TestNewestStateLast: two changes told at the same time leave the host with the
// second. It fails when tell sends outside the lock it takes the state under.
func TestNewestStateLast(t *testing.T) {
	p, err := New(Config{Serial: "PED-1", Keys: rpv.DirStore{Dir: t.TempDir()}, State: &MemState{}, Cost: rpv.LightCost(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c := &slowCable{newCable(), protocol.PEDModeLocal, make(chan struct{}), make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- p.Serve(context.Background(), c) }()
	c.up <- usbped.FromHost{Kind: usbped.HostOpened}
	<-c.events
	set := make(chan error, 2)
	go func() { set <- p.SetMode(protocol.PEDModeLocal) }()
	<-c.reached
	go func() { set <- p.SetMode(protocol.PEDModeRemote) }()
	var early *protocol.PEDEvent
	select {
	case e := <-c.events: // it overtook
		early = &e
	case <-time.After(50 * time.Millisecond):
	}
	close(c.goOn)
	for range 2 {
		if err := <-set; err != nil {
			t.Fatal(err)
		}
	}
	close(c.up)
	<-served
	var last protocol.PEDEvent
	for len(c.events) > 0 {
		last = <-c.events
	}
	if early != nil || last.Mode != protocol.PEDModeRemote {
		t.Errorf("early %v, last %v", early, last)
	}
}
