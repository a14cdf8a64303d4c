package face

import (
	"context"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"

	"openped/internal/tty"
	"openped/softped"
)

// File is a terminal: os.Stdin, as a rule.
type File interface {
	io.Reader
	Fd() uintptr
}

// ErrNoTerminal means that standard input is not a terminal.
var ErrNoTerminal = fmt.Errorf("standard input is not a terminal: use -face script or -face none")

// TTY draws the PED on a terminal and takes letters for its keys. It uses plain
// ANSI sequences on the alternate screen, and puts the terminal back as it was.
type TTY struct {
	PED *softped.PED
	In  File
	Out io.Writer

	prompt string   // what is asked under the LCD, "" for nothing
	typed  []byte   // the answer so far
	list   []string // lines under the LCD
}

// Terminal sequences.
const (
	enter  = "\x1b[?1049h\x1b[?25l\x1b[2J"
	leave  = "\x1b[?25h\x1b[?1049l"
	home   = "\x1b[H"
	toEOL  = "\x1b[K\r\n"
	toEnd  = "\x1b[J"
	ctrlC  = 0x03
	ctrlD  = 0x04
	escape = 0x1b
)

// maxTyped is the longest answer to a prompt.
const maxTyped = 64

// help stands beside the LCD.
var help = []string{
	"openped: a PED in SOFTWARE, for tests and training",
	"",
	"keys     0-9 < > y n, Enter, c = CLEAR, R = CLEAR held",
	"PED key  i = insert, o = pull out, b = make a blank one",
	"program  q = quit",
}

// Run operates the PED until the person quits (ErrQuit), the terminal is gone,
// or ctx ends.
func (t *TTY) Run(ctx context.Context) error {
	fd := int(t.In.Fd())
	if !term.IsTerminal(fd) {
		return ErrNoTerminal
	}
	var out uintptr // nothing
	if f, ok := t.Out.(interface{ Fd() uintptr }); ok {
		out = f.Fd()
	}
	restore, err := tty.Raw(t.In.Fd(), out)
	if err != nil {
		return err
	}
	defer restore()
	fmt.Fprint(t.Out, enter)
	defer fmt.Fprint(t.Out, leave)
	t.draw()
	// A terminal that stands still must not hold the PED up.
	changed := make(chan struct{}, 1)
	defer t.PED.Watch(func(softped.Screen) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})()

	// A read from a terminal cannot be called off; the goroutine ends with the
	// process or with the next byte.
	keys := make(chan byte)
	gone := make(chan error, 1)
	go func() {
		var b [1]byte
		for {
			if _, err := t.In.Read(b[:]); err != nil {
				gone <- err
				return
			}
			select {
			case keys <- b[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case k := <-keys:
			if t.key(k) {
				return ErrQuit
			}
			t.draw()
		case <-changed:
			t.draw()
		case err := <-gone:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// key takes one byte of the person's, and reports whether to quit.
func (t *TTY) key(k byte) (quit bool) {
	if t.prompt != "" {
		t.answer(k)
		return false
	}
	t.say()
	switch k {
	case 'q', ctrlC, ctrlD:
		return true
	case 'i':
		t.ask("insert which key? ")
	case 'b':
		t.ask("name of the new blank key? ")
	case 'o':
		t.PED.Remove()
	case '\r', '\n':
		_ = t.PED.Press(softped.KeyEnter)
	case 0x7f, '\b':
		_ = t.PED.Press(softped.KeyBack)
	case 'R':
		_ = t.PED.Press(softped.KeyReset)
	case 'r': // too close to 'R' by accident
	default:
		_ = t.PED.Press(rune(k)) // what is no key does nothing
	}
	return false
}

// ask starts a prompt under the LCD, with the keys there are.
func (t *TTY) ask(prompt string) {
	lines := []string{"in the folder: "}
	names, err := t.PED.Keys()
	if err != nil {
		lines = []string{oneLine(err.Error())}
	}
	for _, n := range names {
		if len(lines[len(lines)-1])+len(n) > 70 {
			lines = append(lines, "  ")
		}
		lines[len(lines)-1] += n + " "
	}
	t.prompt, t.typed, t.list = prompt, nil, lines
}

// answer takes a byte of the answer to a prompt.
func (t *TTY) answer(k byte) {
	switch {
	case k == '\r' || k == '\n':
		name, prompt := string(t.typed), t.prompt
		t.prompt, t.typed = "", nil
		t.done(prompt, name)
	case k == escape || k == ctrlC:
		t.prompt, t.typed, t.list = "", nil, nil
	case (k == 0x7f || k == '\b') && len(t.typed) > 0:
		t.typed = t.typed[:len(t.typed)-1]
	case k > 0x20 && k < 0x7f && len(t.typed) < maxTyped:
		t.typed = append(t.typed, k)
	}
}

func (t *TTY) done(prompt, name string) {
	if name == "" {
		t.say()
		return
	}
	var err error
	if strings.HasPrefix(prompt, "insert") {
		err = t.PED.Insert(name)
	} else {
		err = t.PED.NewKey(name)
	}
	if err != nil {
		t.say(oneLine(err.Error()))
		return
	}
	t.say()
}

func (t *TTY) say(lines ...string) {
	t.list = lines
}

// draw writes the whole picture in one go, so that it does not flicker.
func (t *TTY) draw() {
	var b strings.Builder
	frame := "+" + strings.Repeat("-", softped.Columns) + "+"
	rows := append([]string{frame}, t.PED.Screen().Boxed()...)
	b.WriteString(home)
	for i, row := range append(rows, frame) {
		b.WriteString(row)
		if i > 0 && i <= len(help) {
			b.WriteString("   " + help[i-1])
		}
		b.WriteString(toEOL)
	}
	port := "empty"
	if inside := t.PED.Inserted(); inside != "" {
		port = "[" + inside + "]"
	}
	b.WriteString("key port: " + port + toEOL)
	for _, l := range t.list {
		b.WriteString(l + toEOL)
	}
	if t.prompt != "" {
		b.WriteString(t.prompt + string(t.typed) + "_" + toEOL)
	}
	b.WriteString(toEnd)
	_, _ = io.WriteString(t.Out, b.String())
}
