package pedserver

import (
	"context"
	"errors"
	"time"

	"openped/usbped"
)

// waker wakes a PED that is there and mute by resets of the port it is plugged in
// to: a few, with pauses that grow, for it may only be starting. After those it is
// for a person to replug it.
type waker struct {
	made int       // resets, since all was well
	last time.Time // the last of them
}

// wakePauses are the pauses before each reset.
var wakePauses = [...]time.Duration{0, 2 * time.Second, 5 * time.Second}

const (
	// A PED may be away for so long after a reset: it was not unplugged then.
	wakeAway = 3 * time.Second
	// A PED that was open for less is as mute as before.
	wakeWell = time.Minute
)

// opened takes note of how an opening ended.
func (w *waker) opened(err error) {
	if err != nil && !errors.Is(err, usbped.ErrMute) && time.Since(w.last) > wakeAway {
		w.made = 0 // what comes next was plugged in anew
	}
}

// served takes note of how long a PED was open.
func (w *waker) served(d time.Duration) {
	if d >= wakeWell {
		w.made = 0
	}
}

// left reports whether there are resets to come.
func (w *waker) left() bool { return w.made < len(wakePauses) }

// due reports whether it is time for one.
func (w *waker) due() bool { return w.left() && time.Since(w.last) >= wakePauses[w.made] }

// mutePED is the error of a PED that may wake yet.
type mutePED struct{ error }

func (e mutePED) Unwrap() error { return e.error }

// Hint returns the remedy.
func (mutePED) Hint() string {
	return "wait some seconds: pedserver resets the port that the PED is plugged in to"
}

// wake resets the port of a PED that could not be opened, if it is mute and the
// time has come. It returns the error to show for it.
func (p *ped) wake(ctx context.Context, err error) error {
	p.waker.opened(err)
	r, can := p.cfg.Opener.(usbped.Resetter)
	if !can || !errors.Is(err, usbped.ErrMute) || errors.Is(err, errHung) {
		return err
	}
	if p.waker.due() {
		p.waker.made++
		p.setLack(mutePED{err})
		p.counts.reset()
		failed := p.calls.within(ctx, resetWait, r.Reset)
		p.waker.last = time.Now()
		p.log.Warn("PED does not answer, its port was reset", "resets", p.waker.made, "err", failed)
	}
	if p.waker.left() {
		return mutePED{err}
	}
	return err
}
