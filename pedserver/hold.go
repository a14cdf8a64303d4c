package pedserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"openped/protocol"
	"openped/usbped"
)

// hold is one connection's use of the device.
type hold struct {
	dev      usbped.Device
	dialogue uint32 // which of dev's it is
	serve    protocol.Acquired
	since    time.Time
	msgs     chan usbped.Message // from the PED
	lost     chan struct{}       // closed when the device went away
	loss     protocol.Error      // what the holder is told then
	done     chan struct{}       // closed when the holder gives it back
	left     chan struct{}       // closed when the holder's connection has ended
	free     chan struct{}       // closed when the next may have the device
	ended    chan struct{}       // closed when the holder is to end
	ending   sync.Once           // does that
}

// grace is how long one who finds the PED taken waits for signs that its holder
// is going: an HSM host that releases the PED and calls again at once comes on
// another connection, which may overtake the release. So long waits, too, who
// finds the PED in a menu.
const grace = 300 * time.Millisecond

// errBusy says that another connection has the PED.
type errBusy struct{ since time.Duration }

func (errBusy) Error() string { return "the PED serves another HSM" }

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
	idle := time.NewTimer(p.releaseWait())
	defer idle.Stop()
	select {
	case <-h.free:
		return true
	case <-idle.C:
	case <-ctx.Done():
	}
	return false
}

// releaseWait is longer than release takes.
func (p *ped) releaseWait() time.Duration { return p.cfg.DeviceWait + closeWait + 3*obey }

// wrongMode reports whether the PED's own switch forbids what pedserver is for.
func (p *ped) wrongMode() bool {
	return p.state != nil && p.state.Mode != protocol.PEDModeRemote && p.state.Mode != protocol.PEDModePair
}

// leavesMode waits for a PED in the wrong mode to be in another: its operator may
// have left a menu this moment, and the word of it be on its way. It reports
// false for one that stays, or when ctx ends.
func (p *ped) leavesMode(ctx context.Context) bool {
	stays := time.NewTimer(grace)
	defer stays.Stop()
	for {
		p.mu.Lock()
		wrong, news := p.wrongMode(), p.news
		p.mu.Unlock()
		if !wrong {
			return true
		}
		select {
		case <-news:
		case <-stays.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// take lends the device. The error is a protocol.Error, or errBusy and then the
// hold is the present holder's.
func (p *ped) take() (*hold, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.released:
		return nil, errTakenAway
	case p.holder != nil:
		return p.holder, errBusy{time.Since(p.holder.since)}
	case p.dev == nil:
		return nil, protocol.Error{Code: lackCode(p.lack)}
	case p.wrongMode():
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
		ended:    make(chan struct{}),
	}
	return p.holder, nil
}

// errNotIdle is why there is no PED when one is opened again.
var errNotIdle error = mutePED{fmt.Errorf("%w: it did not go idle and is opened again", usbped.ErrMute)}

// lossCode is what the holder is told of how the PED went.
func lossCode(err error) protocol.LinkErr {
	if errors.Is(err, usbped.ErrMute) || errors.Is(err, context.DeadlineExceeded) {
		return protocol.LinkErrPEDMute
	}
	return protocol.LinkErrPEDLost
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
	err := p.calls.within(context.Background(), p.cfg.DeviceWait, h.dev.Cancel)
	p.mu.Lock()
	stays := err != nil && p.dev == h.dev
	if stays {
		p.dev, p.lack = nil, err // not for the next holder
		if lossCode(err) == protocol.LinkErrPEDMute {
			p.lack = errNotIdle
		}
	}
	p.mu.Unlock()
	if stays {
		p.log.Warn("PED did not go idle, opening it again", "err", err)
		p.close(h.dev)
	}
	p.mu.Lock()
	if p.holder == h {
		p.dialogues++
		p.holder = nil
		close(h.free)
	}
	p.mu.Unlock()
}
