package softped

import (
	"context"
	"sync"
	"time"
)

// Keys of the keypad, as Press takes them, beside the digits.
const (
	KeyBack  = '<'
	KeyLog   = '>'
	KeyYes   = 'Y'
	KeyNo    = 'N'
	KeyEnter = 'E'
	KeyClear = 'C'
	KeyReset = 'R' // CLEAR held for 5 seconds
)

// touch is queued when a key goes into or out of the port: it counts as
// activity of a person, and means nothing else.
const touch = 0x01

// ui owns the LCD and the keypad. Either a dialogue has the keypad, or the idle
// firmware, which gets its keys one by one from PED.Press.
type ui struct {
	mu       sync.Mutex
	page     page
	shown    Screen
	history  []Screen      // the last screens shown, oldest first
	changed  chan struct{} // closed when the next screen is shown
	owned    bool          // a dialogue runs
	keys     [64]byte      // pressed and not taken; a PIN passes through: wiped as it is read
	pressed  int
	wake     chan struct{}
	watchMu  sync.Mutex // held while watchers run
	watchers map[int]func(Screen)
	nextID   int
}

// maxHistory is how many screens a follower may lag behind.
const maxHistory = 256

func newUI(first page) *ui {
	u := &ui{changed: make(chan struct{}), wake: make(chan struct{}, 1), watchers: map[int]func(Screen){}}
	u.show(first)
	return u
}

// show puts a new screen on the LCD. Keys pressed before it are dropped: they
// were meant for another screen.
func (u *ui) show(p page) {
	u.mu.Lock()
	u.flush()
	u.put(p, -1, true)
	u.mu.Unlock()
	u.notify()
}

// showNew is show, unless p is on the LCD already: a stranger's handshake that
// came to nothing must not even make it flicker.
func (u *ui) showNew(p page) {
	s := u.screen()
	if s.ID != p.id || s.Lines != p.lines(-1) {
		u.show(p)
	}
}

// redraw changes the rows of the screen that is shown, or the seconds left.
func (u *ui) redraw(p page, secs int) {
	u.mu.Lock()
	u.put(p, secs, p.id != u.shown.ID)
	u.mu.Unlock()
	u.notify()
}

func (u *ui) put(p page, secs int, fresh bool) {
	u.page = p
	u.shown.ID, u.shown.Lines = p.id, p.lines(secs)
	if !fresh {
		u.history[len(u.history)-1] = u.shown
		return
	}
	u.shown.Seq++
	if len(u.history) == maxHistory {
		u.history = append(u.history[:0], u.history[1:]...)
	}
	u.history = append(u.history, u.shown)
	close(u.changed)
	u.changed = make(chan struct{})
}

func (u *ui) screen() Screen {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.shown
}

// since returns the screens after seq, and what to wait on for another.
func (u *ui) since(seq uint64) ([]Screen, <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, s := range u.history {
		if s.Seq > seq {
			return append([]Screen(nil), u.history[i:]...), u.changed
		}
	}
	return nil, u.changed
}

// watch calls f with the latest screen at every change, seconds included.
func (u *ui) watch(f func(Screen)) (stop func()) {
	u.watchMu.Lock()
	defer u.watchMu.Unlock()
	id := u.nextID
	u.nextID++
	u.watchers[id] = f
	return func() {
		u.watchMu.Lock()
		defer u.watchMu.Unlock()
		delete(u.watchers, id)
	}
}

func (u *ui) notify() {
	u.watchMu.Lock()
	defer u.watchMu.Unlock()
	if len(u.watchers) == 0 {
		return
	}
	s := u.screen()
	for _, f := range u.watchers {
		f(s)
	}
}

// push queues a key for the dialogue that runs, and reports false if none does.
// Keys beyond the queue's size are dropped, as a keypad does.
func (u *ui) push(key byte) bool {
	u.mu.Lock()
	if !u.owned {
		u.mu.Unlock()
		return false
	}
	if u.pressed < len(u.keys) {
		u.keys[u.pressed] = key
		u.pressed++
	}
	u.mu.Unlock()
	select {
	case u.wake <- struct{}{}:
	default:
	}
	return true
}

func (u *ui) pop() (byte, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pressed == 0 {
		return 0, false
	}
	k := u.keys[0]
	copy(u.keys[:], u.keys[1:u.pressed])
	u.pressed--
	u.keys[u.pressed] = 0
	return k, true
}

func (u *ui) flush() {
	clear(u.keys[:])
	u.pressed = 0
}

func (u *ui) own(owned bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.owned = owned
	u.flush()
}

// dialog is one conversation with a person. Its methods return a *stop when the
// person, or the lack of one, ends it, and ctx's cause when something else does.
type dialog struct {
	ui   *ui
	per  time.Duration // time for one action
	last page
}

// show shows p and forgets keys pressed before.
func (d *dialog) show(p page) {
	d.last = p
	d.ui.show(p)
}

// redraw changes p in place, for what was typed into it.
func (d *dialog) redraw(p page) { d.last = p }

// key waits for the next key. The time for an action starts anew with each.
func (d *dialog) key(ctx context.Context) (byte, error) {
	end := time.NewTimer(d.per)
	defer end.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	left := int((d.per + time.Second - 1) / time.Second)
	for {
		d.ui.redraw(d.last, left)
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if k, ok := d.ui.pop(); ok {
			if k == KeyReset {
				return 0, stopReset
			}
			return k, nil
		}
		select {
		case <-d.ui.wake:
		case <-second.C:
			left = max(0, left-1)
		case <-end.C:
			return 0, stopTimeout
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// enter waits for ENTER.
func (d *dialog) enter(ctx context.Context) error {
	_, err := d.oneOf(ctx, KeyEnter)
	return err
}

// yes waits for YES or NO.
func (d *dialog) yes(ctx context.Context) (bool, error) {
	k, err := d.oneOf(ctx, KeyYes, KeyNo)
	return k == KeyYes, err
}

// oneOf waits for one of keys; '<' gives up the operation.
func (d *dialog) oneOf(ctx context.Context, keys ...byte) (byte, error) {
	for {
		k, err := d.key(ctx)
		if err != nil {
			return 0, err
		}
		if k == KeyBack {
			return 0, stopOperator
		}
		for _, want := range keys {
			if k == want {
				return k, nil
			}
		}
	}
}

// ask shows a question and waits for YES or NO.
func (d *dialog) ask(ctx context.Context, p page) (bool, error) {
	d.show(p)
	return d.yes(ctx)
}
