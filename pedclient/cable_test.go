package pedclient

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"openped/hsm/hsmtest"
	"openped/protocol"
	"openped/protocol/hsmapi"
	"openped/usbped"
)

// port is a USB port of this host, with or without a PED in it.
type port struct {
	ped *hsmtest.PED

	mu      sync.Mutex
	empty   bool
	err     error // of opening it
	quiet   bool  // the PED does not say in which mode it is
	mute    bool  // it answers no ping
	mode    protocol.PEDMode
	dev     *plugged
	asked   []string // serial numbers that were asked for
	opening chan struct{}
}

// plugged is the PED in a port, opened.
type plugged struct {
	port *port
	wire *hsmtest.Conn
	msgs chan usbped.Message
	dead chan struct{}
	once sync.Once
	err  error
}

func (p *port) usb(serial string) usbped.Opener { return at{p, serial} }

type at struct {
	*port
	serial string
}

func (a at) String() string { return strings.TrimSuffix("usb:"+a.serial, ":") }

func (a at) Open(ctx context.Context) (usbped.Device, error) {
	p := a.port
	if p.opening != nil {
		select {
		case <-p.opening:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, a.serial)
	switch {
	case p.err != nil:
		return nil, p.err
	case p.empty:
		return nil, usbped.ErrNoDevice
	case p.dev != nil:
		return nil, &usbped.HeldError{Process: "pedclient", PID: 1}
	}
	d := &plugged{port: p, wire: p.ped.Connect(), msgs: make(chan usbped.Message, 8), dead: make(chan struct{})}
	p.dev = d
	if !p.quiet {
		d.msgs <- usbped.Message{Event: &protocol.PEDEvent{Kind: protocol.EvtState, Mode: p.mode}}
	}
	go func() {
		for {
			f, err := d.wire.Recv(context.Background())
			if err != nil {
				return
			}
			select {
			case d.msgs <- usbped.Message{Frame: f}:
			case <-d.dead:
				return
			}
		}
	}()
	return d, nil
}

func (d *plugged) end(err error) {
	d.once.Do(func() {
		d.err = err
		close(d.dead)
		d.wire.Cut()
		d.port.mu.Lock()
		d.port.dev = nil
		d.port.mu.Unlock()
	})
}

func (d *plugged) Info() usbped.Info {
	return usbped.Info{Serial: "PED0001", Firmware: "2.9.0", Software: true}
}
func (d *plugged) Send(ctx context.Context, f []byte) error {
	if d.wire.Send(ctx, f) != nil {
		return usbped.ErrUnplugged
	}
	return nil
}
func (d *plugged) Recv(ctx context.Context) (usbped.Message, error) {
	select {
	case m := <-d.msgs:
		return m, nil
	case <-d.dead:
		return usbped.Message{}, d.err
	case <-ctx.Done():
		return usbped.Message{}, ctx.Err()
	}
}
func (d *plugged) Cancel(context.Context) error { return nil }
func (d *plugged) Ping(ctx context.Context) error {
	d.port.mu.Lock()
	mute := d.port.mute
	d.port.mu.Unlock()
	if mute {
		time.Sleep(usbped.PongTimeout)
		return fmt.Errorf("%w: %w", usbped.ErrUnplugged, usbped.ErrMute)
	}
	return nil
}
func (d *plugged) SetWriteDelay(time.Duration) {}
func (d *plugged) Close() error                { d.end(usbped.ErrClosed); return nil }

// pull pulls the cable, plug puts it in again.
func (p *port) pull() {
	p.mu.Lock()
	p.empty = true
	d := p.dev
	p.mu.Unlock()
	if d != nil {
		d.end(usbped.ErrUnplugged)
	}
}

func (p *port) set(f func()) { p.mu.Lock(); f(); p.mu.Unlock() }

func (p *port) open() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.dev != nil }

// choose is the operator choosing a mode at the PED, of which it tells its host.
func (p *port) choose(m protocol.PEDMode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	if p.dev != nil {
		p.dev.msgs <- usbped.Message{Event: &protocol.PEDEvent{Kind: protocol.EvtState, Mode: m}}
	}
}

// withLocal runs f in a bubble, with a host that has a port with a local PED. Its
// people use the keys of slot 1's remote PED.
func withLocal(t *testing.T, slots int, f func(t *testing.T, w *world, p *port)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &port{mode: protocol.PEDModeLocal}
		w := newWorld(t, slots, func(cfg *Config) { cfg.USB = p.usb })
		p.ped = hsmtest.NewPED(w.peds[0].Keys, w.peds[0].Roots...)
		p.ped.Local = true
		f(t, w, p)
		w.end()
		synctest.Wait()
	})
}

func localPED(n int) hsmapi.Fields { return slotN(n).AddBool(hsmapi.TagLocal, true) }

var (
	orange = hsmtest.Insert{Key: "orange", PIN: "4444"}
	blues  = []hsmtest.Insert{hsmtest.Blue[0], hsmtest.Blue[1]}
)

// initialized connects slot 1 locally and makes all its keys there.
func (p *port) initialized(w *world, u *user) {
	w.t.Helper()
	u.must(hsmapi.PedConnect, localPED(1))
	p.ped.Choose(hsmtest.Choice{M: 1, N: 1})
	p.ped.Insert(orange)
	u.must(hsmapi.VectorInit, slot1())
	p.ped.Choose(hsmtest.Choice{M: 2, N: 3}, hsmtest.Choice{M: 1, N: 1})
	p.ped.Insert(hsmtest.Blue...)
	p.ped.Insert(hsmtest.Red...)
	p.ped.Answer(true)
	u.must(hsmapi.HsmInit, slot1().AddText(hsmapi.TagLabel, "demo"))
}

func remotePED(n int) hsmapi.Fields { return slotN(n).AddText(hsmapi.TagHost, fmt.Sprintf("ped%d", n)) }
