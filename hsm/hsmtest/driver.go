package hsmtest

import (
	"errors"
	"sync"

	"openped/hsm"
)

// ErrCrashed is what a driver returns that has died.
var ErrCrashed = errors.New("crashed on purpose")

// Driver wraps a driver and dies at a write.
type Driver struct {
	hsm.Driver

	mu     sync.Mutex
	at     int
	after  bool
	dead   bool
	n      int
	onDead func()
	refuse error
}

// Refuse has every write fail with err, as a disk does that is full; nil ends it.
func (d *Driver) Refuse(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = err
}

// Crash has the driver die at the n-th Update from now on (1 is the next),
// before it has any effect or right after. onDead is called then: cut the
// connections of the process that has just been killed.
func (d *Driver) Crash(n int, after bool, onDead func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at, d.after, d.onDead, d.n = n, after, onDead, 0
}

// Crashed reports whether it has died.
func (d *Driver) Crashed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// Updates returns the number of Updates since Crash or the start.
func (d *Driver) Updates() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}

// Update implements hsm.Driver.
func (d *Driver) Update(f func(*hsm.State) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return ErrCrashed
	}
	if d.refuse != nil {
		return d.refuse
	}
	d.n++
	if d.n != d.at {
		return d.Driver.Update(f)
	}
	if d.after {
		if err := d.Driver.Update(f); err != nil {
			return err
		}
	}
	d.dead = true
	if d.onDead != nil {
		d.onDead()
	}
	return ErrCrashed
}
