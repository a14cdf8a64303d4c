package pedserver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"openped/protocol"
	"openped/usbped"
)

// ped keeps the device open, across unplugging and replugging, and lends it to
// one holder at a time.
type ped struct {
	cfg    *Config
	live   *settings
	counts *counts
	log    *slog.Logger

	mu     sync.Mutex
	dev    usbped.Device      // nil while there is none
	reason string             // why there is none
	state  *protocol.PEDEvent // the last that dev told, nil before the first
	busy   time.Time          // since when a dialogue runs, zero while none does
	holder *hold
	// dialogues counts the holders that dev had: what it said to one is not for
	// the next.
	dialogues uint32

	looked chan struct{} // closed when it is known whether there is a device
}

// lookTime is how long a question about the PED waits for the first look.
const lookTime = 2 * time.Second

// hold is one connection's use of the device.
type hold struct {
	dev      usbped.Device
	dialogue uint32 // which of dev's it is
	serve    protocol.Acquired
	since    time.Time
	msgs     chan usbped.Message // from the PED
	lost     chan struct{}       // closed when the device went away
	done     chan struct{}       // closed when the holder gives it back
	left     chan struct{}       // closed when the holder's connection has ended
	free     chan struct{}       // closed when the next may have the device
}

// grace is how long one who finds the PED taken waits for signs that its holder
// is going: an HSM host that releases the PED and calls again at once comes on
// another connection, which may overtake the release.
const grace = 300 * time.Millisecond

// errBusy says that another connection has the PED.
type errBusy struct{ since time.Duration }

func (errBusy) Error() string { return "the PED serves another HSM" }

func newPED(cfg *Config, live *settings, counts *counts) *ped {
	return &ped{cfg: cfg, live: live, counts: counts, log: cfg.Log, reason: "not looked for yet", looked: make(chan struct{})}
}

// look waits until the device has been looked for once: what asks right after
// the start is to be told the truth.
func (p *ped) look() {
	select {
	case <-p.looked:
	case <-time.After(lookTime):
	}
}

// run keeps the device open until ctx ends. A PED that appears is found within
// ReopenEvery.
func (p *ped) run(ctx context.Context) {
	first := sync.OnceFunc(func() { close(p.looked) })
	for ctx.Err() == nil {
		dev, err := p.open(ctx)
		if err != nil {
			p.setReason(err)
		}
		first()
		if err == nil {
			err = p.serve(ctx, dev)
			p.detach(dev, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(p.cfg.ReopenEvery):
		}
	}
}

func (p *ped) open(ctx context.Context) (usbped.Device, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*usbped.HandshakeTimeout)
	defer cancel()
	dev, err := p.cfg.Opener.Open(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.dev, p.reason, p.state, p.busy, p.dialogues = dev, "", nil, time.Time{}, 0
	p.mu.Unlock()
	p.pace()
	i := dev.Info()
	p.log.Info("PED connected", "device", p.cfg.Opener.String(), "serial", i.Serial, "firmware", i.Firmware, "software", i.Software)
	return dev, nil
}

// pace sets the pause between the pieces of a frame to what is in force.
func (p *ped) pace() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dev != nil {
		p.dev.SetWriteDelay(p.live.now().PedWriteDelay)
	}
}

// serve reads what dev says, and asks every second whether it still lives,
// until it fails or ctx ends.
func (p *ped) serve(ctx context.Context, dev usbped.Device) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel(nil)
	watch.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if err := bounded(ctx, usbped.PongTimeout+time.Second, dev.Ping); err != nil {
				cancel(err)
				return
			}
		}
	})
	for {
		m, err := dev.Recv(ctx)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return err
		}
		p.deliver(dev, m)
	}
}

// deliver gives a message to the holder, if there is one; what nobody waits for
// is dropped.
func (p *ped) deliver(dev usbped.Device, m usbped.Message) {
	p.mu.Lock()
	if m.Event != nil {
		e := *m.Event
		p.state = &e
		p.dialogue(e.Busy)
	}
	h := p.holder
	p.mu.Unlock()
	if h == nil || h.dev != dev || h.dialogue != m.Dialogue {
		return
	}
	select {
	case h.msgs <- m:
	case <-h.done:
	}
}

// dialogue notes whether one runs: from the event that says busy to the one that
// says idle, or the end of the device.
func (p *ped) dialogue(busy bool) {
	switch {
	case busy && p.busy.IsZero():
		p.busy = time.Now()
	case !busy && !p.busy.IsZero():
		p.counts.dialogue(time.Since(p.busy))
		p.busy = time.Time{}
	}
}

func (p *ped) detach(dev usbped.Device, err error) {
	p.mu.Lock()
	p.dev, p.state = nil, nil
	p.dialogue(false)
	if h := p.holder; h != nil && h.dev == dev {
		close(h.lost)
		close(h.free)
		p.holder = nil
	}
	p.mu.Unlock()
	_ = dev.Close()
	if !errors.Is(err, context.Canceled) {
		p.log.Warn("PED lost", "err", err)
	}
	p.setReason(err)
}

func (p *ped) setReason(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := err.Error()
	if hint := usbped.Hint(err); hint != "" {
		r += "; " + hint
	}
	if r != p.reason {
		p.reason = r
		if p.dev == nil && !errors.Is(err, context.Canceled) {
			p.log.Info("no PED", "device", p.cfg.Opener.String(), "reason", r)
		}
	}
}

// probe is what a caller is told who asks for the state of the PED only.
func (p *ped) probe() protocol.Probed {
	p.look()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dev == nil {
		return protocol.Probed{}
	}
	i := p.dev.Info()
	r := protocol.Probed{Connected: true, Serial: i.Serial, Firmware: i.Firmware, Software: i.Software}
	if p.state != nil {
		r.Mode = p.state.Mode
	}
	if p.holder != nil {
		r.Busy = max(1, uint32(time.Since(p.holder.since)/time.Second))
	}
	return r
}

// freed waits for a holder that is going, until the PED is idle. It reports
// false for one that stays, or when ctx ends.
func (p *ped) freed(ctx context.Context, h *hold) bool {
	going := time.NewTimer(grace)
	defer going.Stop()
	select {
	case <-h.left:
	case <-h.free:
	case <-going.C:
		return false
	case <-ctx.Done():
		return false
	}
	idle := time.NewTimer(p.cfg.DeviceWait + grace) // longer than release may take
	defer idle.Stop()
	select {
	case <-h.free:
		return true
	case <-idle.C:
	case <-ctx.Done():
	}
	return false
}

// take lends the device. The error is a protocol.Error, or errBusy and then the
// hold is the present holder's.
func (p *ped) take() (*hold, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.holder != nil:
		return p.holder, errBusy{time.Since(p.holder.since)}
	case p.dev == nil:
		return nil, protocol.Error{Code: protocol.LinkErrNoPED}
	case p.state != nil && p.state.Mode != protocol.PEDModeRemote && p.state.Mode != protocol.PEDModePair:
		return nil, protocol.Error{Code: protocol.LinkErrPEDMode}
	}
	i := p.dev.Info()
	p.holder = &hold{
		dev:      p.dev,
		dialogue: p.dialogues,
		serve:    protocol.Acquired{Serial: i.Serial, Firmware: i.Firmware, Software: i.Software},
		since:    time.Now(),
		msgs:     make(chan usbped.Message),
		lost:     make(chan struct{}),
		done:     make(chan struct{}),
		left:     make(chan struct{}),
		free:     make(chan struct{}),
	}
	return p.holder, nil
}

// release takes the device back and makes the PED idle: whoever asked its
// custodian for something is gone. Until that is done the PED stays taken. A
// PED that does not obey is closed, and opened afresh by run.
func (p *ped) release(h *hold) {
	close(h.done)
	select {
	case <-h.lost:
		return
	default:
	}
	err := bounded(context.Background(), p.cfg.DeviceWait, h.dev.Cancel)
	if err != nil {
		p.log.Warn("PED does not go idle, opening it again", "err", err)
		_ = h.dev.Close()
	}
	p.mu.Lock()
	if err != nil && p.dev == h.dev {
		p.dev, p.reason = nil, "did not go idle, is being opened again" // not for the next holder
	}
	if p.holder == h {
		p.dialogues++
		p.holder = nil
		close(h.free)
	}
	p.mu.Unlock()
}
