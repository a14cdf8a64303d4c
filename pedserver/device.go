package pedserver

import (
	"context"
	"errors"
	"fmt"
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
	calls  *calls
	waker  waker          // run's own
	tasks  sync.WaitGroup // what helps run, without the calls themselves

	mu     sync.Mutex
	dev    usbped.Device      // nil while there is none
	lack   error              // why there is none
	state  *protocol.PEDEvent // the last that dev told, nil before the first
	news   chan struct{}      // closed and made anew when it tells another
	busy   time.Time          // since when a dialogue runs, zero while none does
	holder *hold
	// dialogues counts the holders that dev had: what it said to one is not for
	// the next.
	dialogues uint32

	looked chan struct{} // closed when it is known whether there is a device
	seen   []string      // serial numbers of the PEDs that are plugged in
	tells  bool          // the system tells those

	released bool          // given up for other programs
	turned   chan struct{} // closed and made anew when that changes
	closed   chan struct{} // closed when the device of this round is closed; nil while released
}

// Bounds of what else waits for the device.
const (
	// lookTime is how long a question about the PED waits for the first look.
	lookTime = 2 * time.Second
	// openWait, resetWait and closeWait are for those calls.
	openWait  = 2 * usbped.HandshakeTimeout
	resetWait = 10 * time.Second
	closeWait = 3 * time.Second
)

var errNotLooked = fmt.Errorf("%w: not looked for yet", usbped.ErrNoDevice)

func newPED(cfg *Config, live *settings, counts *counts) *ped {
	return &ped{cfg: cfg, live: live, counts: counts, log: cfg.Log, calls: new(calls), lack: errNotLooked,
		looked: make(chan struct{}), turned: make(chan struct{}), news: make(chan struct{})}
}

// look waits until the device has been looked for once: what asks right after
// the start is to be told the truth.
func (p *ped) look() {
	p.mu.Lock()
	looked := p.looked
	p.mu.Unlock()
	select {
	case <-looked:
	case <-time.After(lookTime):
	}
}

// attempted notes that the device has been looked for by a round of run that
// began when looked was the channel: not for a claim that came after that.
func (p *ped) attempted(looked chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-looked:
	default:
		close(looked)
	}
}

// run keeps the device open until ctx ends, but for the time that it is given up.
// A PED that appears is found within ReopenEvery.
func (p *ped) run(ctx context.Context) {
	defer p.tasks.Wait()
	go p.watchCables(ctx)
	for ctx.Err() == nil {
		p.mu.Lock()
		released, turned, looked := p.released, p.turned, p.looked
		var closed chan struct{}
		if !released {
			closed = make(chan struct{})
		}
		p.closed = closed
		p.mu.Unlock()
		var again <-chan time.Time // never, while it is given up
		if released {
			p.setLack(errGivenUp)
			p.attempted(looked)
		} else {
			p.round(ctx, turned, looked)
			close(closed)
			again = time.After(p.cfg.ReopenEvery)
		}
		select {
		case <-ctx.Done():
		case <-turned:
		case <-again:
		}
	}
}

// round opens the device and keeps it open for as long as that goes, or until it
// is given up.
func (p *ped) round(ctx context.Context, turned <-chan struct{}, looked chan struct{}) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.tasks.Go(func() {
		select {
		case <-turned:
			cancel(errGivenUp)
		case <-ctx.Done():
		}
	})
	dev, err := p.open(ctx)
	if err != nil {
		p.setLack(p.wake(ctx, err))
		p.attempted(looked)
		return
	}
	p.attempted(looked)
	begun := time.Now()
	err = p.serve(ctx, dev)
	p.waker.served(time.Since(begun))
	p.detach(dev, err)
}

func (p *ped) open(ctx context.Context) (usbped.Device, error) {
	if p.calls.now() >= maxHung {
		return nil, errHung
	}
	octx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	opened := make(chan usbped.Device, 1)
	err := p.calls.do(octx, func(ctx context.Context) error {
		dev, err := p.cfg.Opener.Open(ctx)
		if err == nil {
			opened <- dev
		}
		return err
	}, func() {
		select {
		case dev := <-opened:
			_ = dev.Close()
		default:
		}
	})
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%w: opening it takes too long", usbped.ErrMute)
	case err != nil:
		return nil, err
	}
	dev := <-opened
	p.mu.Lock()
	p.dev, p.lack, p.state, p.busy, p.dialogues = dev, nil, nil, time.Time{}, 0
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
	p.tasks.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if err := p.calls.within(ctx, usbped.PongTimeout+time.Second, dev.Ping); err != nil {
				if errors.Is(err, context.DeadlineExceeded) {
					err = fmt.Errorf("%w: it takes no ping", usbped.ErrMute)
				}
				cancel(err)
				return
			}
		}
	})
	err := p.calls.do(ctx, func(ctx context.Context) error {
		for {
			m, err := dev.Recv(ctx)
			if err != nil {
				return err
			}
			p.deliver(ctx, dev, m)
		}
	}, nil)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return err
}

// deliver gives a message to the holder, if there is one; what nobody waits for
// is dropped.
func (p *ped) deliver(ctx context.Context, dev usbped.Device, m usbped.Message) {
	p.mu.Lock()
	if m.Event != nil && p.dev == dev {
		e := *m.Event
		p.state = &e
		close(p.news)
		p.news = make(chan struct{})
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
	case <-ctx.Done():
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

// detach ends the use of a device. Its holder learns of that before anything is
// waited for.
func (p *ped) detach(dev usbped.Device, err error) {
	p.mu.Lock()
	if p.lack != nil {
		err = p.lack // closed on this side, for a reason
	}
	p.dev, p.state, p.lack = nil, nil, usbped.ErrClosed
	p.lacks(err)
	p.dialogue(false)
	if h := p.holder; h != nil && h.dev == dev {
		h.loss.Code = lossCode(err)
		close(h.lost)
		close(h.free)
		p.holder = nil
	}
	p.mu.Unlock()
	if !wanted(err) {
		p.counts.lost()
		p.log.Warn("PED lost", "err", err)
	}
	p.close(dev)
}

// close gives the device back to the system.
func (p *ped) close(dev usbped.Device) {
	err := p.calls.within(context.Background(), closeWait, func(context.Context) error { return dev.Close() })
	if err != nil {
		p.log.Warn("PED could not be closed", "err", err)
	}
}

// wanted reports whether it is this side that ended the use of the device.
func wanted(err error) bool { return errors.Is(err, context.Canceled) || errors.Is(err, errGivenUp) }

// setLack notes why there is no device.
func (p *ped) setLack(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lacks(err)
}

// lacks is setLack under the lock.
func (p *ped) lacks(err error) {
	if p.dev != nil || errors.Is(err, context.Canceled) {
		return
	}
	if p.lack == nil || p.lack.Error() != err.Error() {
		p.log.Info("no PED", "device", p.cfg.Opener.String(), "state", lackState(err).String(), "reason", err, "hint", usbped.Hint(err))
	}
	p.lack = err
}

// watchCables keeps a list of the PEDs that are plugged in, where the system
// tells. It may hang with the system: nobody waits for it.
func (p *ped) watchCables(ctx context.Context) {
	l, ok := p.cfg.Opener.(usbped.Lister)
	for ok && ctx.Err() == nil {
		serials, tells := l.Serials()
		p.mu.Lock()
		p.seen, p.tells = serials, tells
		p.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(p.cfg.ReopenEvery):
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
