package usbip

import (
	"context"
	"errors"
	"testing"
	"time"

	"openped/protocol"
	"openped/softped"
	"openped/softped/back"
	"openped/softped/softpedtest"
	"openped/usbped"
)

// startPED serves a PED over USB/IP.
func startPED(t *testing.T) (*softped.PED, string) {
	t.Helper()
	p, _ := softpedtest.NewPED(t, nil)
	address, ports, _ := startServer(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = back.ServeUSB(ctx, ports, p) }()
	t.Cleanup(func() { stop(); <-done })
	return p, address
}

// open opens the PED as pedserver does, over another host's code.
func open(t *testing.T, h *client) *usbped.Host {
	t.Helper()
	d, err := usbped.NewPortHost(t.Context(), h.port())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func state(t *testing.T, d *usbped.Host, want protocol.PEDMode) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	m, err := d.Recv(ctx)
	if err != nil || m.Event == nil || m.Event.Kind != protocol.EvtState || m.Event.Mode != want {
		t.Fatalf("%+v %v", m, err)
	}
}

func TestPED(t *testing.T) {
	p, address := startPED(t)
	h, _, status := dialImport(t, address)
	if status != 0 {
		t.Fatal(status)
	}
	h.configure(t)
	d := open(t, h)
	if i := d.Info(); i != p.Info() {
		t.Errorf("%+v", i)
	}
	state(t, d, protocol.PEDModeRemote)
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.SetMode(protocol.PEDModePair); err != nil {
		t.Fatal(err)
	}
	state(t, d, protocol.PEDModePair)
	// The longest frame there is crosses the cable. It belongs to no channel, so
	// that the PED drops it.
	if err := d.Send(t.Context(), make([]byte, usbped.MaxPayload)); err != nil {
		t.Error(err)
	}
	if err := d.Cancel(t.Context()); err != nil {
		t.Error(err)
	}
	// A reset of the bus ends the host's time; opened again, it is as before.
	if err := h.port().Reset(); err != nil {
		t.Fatal(err)
	}
	again := open(t, h)
	state(t, again, protocol.PEDModePair)
	// So does the cable.
	h.c.Close()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if _, err := again.Recv(ctx); !errors.Is(err, usbped.ErrUnplugged) {
		t.Errorf("after the cable was pulled: %v", err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		if h, _, status = dialImport(t, address); status == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the PED does not come back")
		}
	}
	h.configure(t)
	state(t, open(t, h), protocol.PEDModePair)
}

// A host program that ends in the middle of a frame leaves the device
// configured; the next one opens the PED all the same.
func TestNextProgram(t *testing.T) {
	_, address := startPED(t)
	h, _, _ := dialImport(t, address)
	h.configure(t)
	d := open(t, h)
	state(t, d, protocol.PEDModeRemote)
	// The head of a frame of 4096 bytes, of which ten come.
	half := append([]byte("OP\x03\x00"), be(uint32(2), uint32(4096), uint32(0x12345678))...)
	if _, err := h.port().Write(append(half, make([]byte, 10)...)); err != nil {
		t.Fatal(err)
	}
	d.Close()
	state(t, open(t, h), protocol.PEDModeRemote)
}
