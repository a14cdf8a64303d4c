package usbped_test

import (
	"context"
	"testing"

	"openped/protocol"
	"openped/usbped"
	"openped/usbped/usbpedtest"
)

func TestSmoke(t *testing.T) {
	ctx := t.Context()
	h, g, err := usbpedtest.Pair(ctx, usbpedtest.Software)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	defer g.Close()
	if m, err := g.Recv(ctx); err != nil || m.Kind != usbped.HostOpened {
		t.Fatal(m, err)
	}
	if err := g.SendEvent(ctx, protocol.PEDEvent{Kind: 1, Mode: 1}); err != nil {
		t.Fatal(err)
	}
	if m, err := h.Recv(ctx); err != nil || m.Event == nil {
		t.Fatal(m, err)
	}
	if err := h.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
}
