//go:build unix

package face

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"openped/softped"
	"openped/softped/softpedtest"
)

// terminal is what a person would see, as raw output.
type terminal struct {
	mu  sync.Mutex
	out strings.Builder
}

func (v *terminal) has(s string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Contains(v.out.String(), s)
}

func (v *terminal) reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out.Reset()
}

func TestTTY(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal("no pseudo terminal: ", err)
	}
	defer master.Close()
	defer slave.Close()
	before, err := term.GetState(int(slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := softpedtest.NewPED(t, nil)
	if err := p.NewKey("blue1"); err != nil {
		t.Fatal(err)
	}
	view := &terminal{}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			if err != nil {
				return
			}
			view.mu.Lock()
			view.out.Write(b[:n])
			view.mu.Unlock()
		}
	}()
	done := make(chan error, 1)
	go func() { done <- (&TTY{PED: p, In: slave, Out: slave}).Run(t.Context()) }()
	until := func(what string, ok func() bool) {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for !ok() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("%s did not come:\n%q", what, view.out.String())
			}
		}
	}
	see := func(s string) { t.Helper(); until(s, func() bool { return view.has(s) }) }
	typed := func(s string) {
		t.Helper()
		view.reset()
		if _, err := master.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	see("|Remote PED mode     |")
	see("|SOFTWARE PED        |")
	see("key port: empty")
	typed("<")
	see("|Select Mode         |")
	typed("9")
	see("|Pair PED mode       |")
	typed("i")
	see("in the folder: blue1 ")
	typed("bluex\x7f1\r")
	see("key port: [blue1]")
	typed("izz\r")
	see("no such PED key")
	typed("o")
	see("key port: empty")
	typed("bnew1\r")
	until("a new key", func() bool { k, _ := p.Keys(); return len(k) == 2 })
	typed("i\x1b<")
	see("|Select Mode         |")
	typed("7q")
	if err := <-done; !errors.Is(err, ErrQuit) {
		t.Fatal(err)
	}
	see("\x1b[?1049l") // the person's screen is back
	after, err := term.GetState(int(slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if *before != *after {
		t.Error("terminal not restored")
	}
	if p.Mode().String() != "remote" {
		t.Error("mode")
	}
}

func TestTTYNeedsTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	p, err := softped.New(softped.Config{Serial: "P", State: &softped.MemState{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&TTY{PED: p, In: r, Out: w}).Run(t.Context()); !errors.Is(err, ErrNoTerminal) {
		t.Error(err)
	}
}
