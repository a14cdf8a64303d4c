package softped

import (
	"context"

	"openped/internal/secret"
)

// entry collects digits that nobody may see, in memory that is wiped.
type entry struct {
	buf *secret.Buffer
	n   int
}

func newEntry(max int) *entry { return &entry{buf: secret.New(max)} }

// digits returns what was typed; it is gone after destroy.
func (e *entry) digits() []byte { return e.buf.Bytes()[:e.n] }

func (e *entry) destroy() { e.buf.Destroy() }

// key takes a key: a digit, '<' for the last digit, CLEAR for all. Digits beyond
// the entry's size are ignored.
func (e *entry) key(k byte) {
	b := e.buf.Bytes()
	switch {
	case k >= '0' && k <= '9' && e.n < len(b):
		b[e.n] = k
		e.n++
	case k == KeyBack && e.n > 0:
		e.n--
		b[e.n] = 0
	case k == KeyClear:
		clear(b)
		e.n = 0
	}
}

// readAtLeast collects low to high digits on the screen that is shown. ENTER
// with fewer is ignored. '<' on an empty entry does nothing: one press too many
// must not end a ceremony of five people.
func (d *dialog) readAtLeast(ctx context.Context, low, high int, draw func(n int) page) (*entry, error) {
	e := newEntry(high)
	for {
		d.redraw(draw(e.n))
		k, err := d.key(ctx)
		if err != nil {
			e.destroy()
			return nil, err
		}
		if k == KeyEnter && e.n >= low {
			return e, nil
		}
		e.key(k)
	}
}

// number reads one or two digits on a screen that shows them.
func (d *dialog) number(ctx context.Context, low, high int, draw func(typed string, wrong bool) page) (int, error) {
	d.show(draw("", false))
	typed, wrong := "", false
	for {
		k, err := d.key(ctx)
		if err != nil {
			return 0, err
		}
		switch {
		case k >= '0' && k <= '9' && len(typed) < 2:
			typed, wrong = typed+string(rune(k)), false
		case k == KeyBack && typed != "":
			typed = typed[:len(typed)-1]
		case k == KeyClear:
			typed = ""
		case k == KeyEnter && typed != "":
			v := 0
			for _, c := range typed {
				v = v*10 + int(c-'0')
			}
			if v >= low && v <= high {
				return v, nil
			}
			typed, wrong = "", true
		}
		d.redraw(draw(typed, wrong))
	}
}
