package softped

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFollowerMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUI(newPage("idle", "x"))
		p := &PED{ui: u}
		f := p.Follow()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if s, err := f.Wait(ctx, "idle"); err != nil || s.ID != "idle" {
			t.Fatal(s, err)
		}
		if _, err := f.Wait(ctx, "idle"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the PED shows idle") {
			t.Fatalf("taken twice: %v", err)
		}
		u.show(newPage("login.insert", "a"))
		u.show(newPage("notice.done", "b"))
		u.show(newPage("login.insert", "c"))
		if s, err := f.Wait(t.Context(), "notice.done"); err != nil || s.Lines[0] != "b" { // it only tells: it counts although it is gone
			t.Fatal(s, err)
		}
		u.show(newPage("login.pin", "d"))
		ctx2, stop2 := context.WithTimeout(t.Context(), time.Second)
		defer stop2()
		if _, err := f.Wait(ctx2, "login.insert"); err == nil { // it asked, and nobody can answer any more
			t.Fatal("a question that is gone was taken")
		}
		if s, err := f.Wait(t.Context(), "x", "login.pin"); err != nil || s.ID != "login.pin" {
			t.Fatal(s, err)
		}
		g := p.Follow()
		go u.redraw(newPage("login.pin", "d*"), 3)
		synctest.Wait()
		if s, err := g.Next(t.Context()); err != nil || s.Lines[0] != "d*" {
			t.Fatal(s, err)
		}
		for i := range 2 * maxHistory {
			u.show(newPage("idle", strings.Repeat("i", i%20)))
		}
		if s, err := g.Next(t.Context()); err != nil || s.ID != "idle" {
			t.Fatal(s, err)
		}
	})
}

func TestWatch(t *testing.T) {
	u := newUI(newPage("a", "x"))
	var mu sync.Mutex
	var got []string
	stop := u.watch(func(s Screen) { mu.Lock(); defer mu.Unlock(); got = append(got, s.ID) })
	u.show(newPage("b", "x"))
	stop()
	u.show(newPage("c", "x"))
	if len(got) != 1 || got[0] != "b" {
		t.Errorf("%q", got)
	}
}

// What was typed leaves the keypad's queue as it is read.
func TestQueueKeepsNoPIN(t *testing.T) {
	u := newUI(newPage("a", "x"))
	if u.push('1') {
		t.Error("queued without a dialogue")
	}
	u.own(true)
	for range 100 {
		u.push('7')
	}
	for {
		if _, ok := u.pop(); !ok {
			break
		}
	}
	u.push('8')
	u.show(newPage("b", "x"))
	u.push('9')
	u.own(false)
	if u.keys != [64]byte{} {
		t.Errorf("queue holds %q", u.keys)
	}
}

func TestPress(t *testing.T) {
	p, err := New(Config{Serial: "P", State: &MemState{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range "0123456789<>YNECRynecr" {
		if err := p.Press(k); err != nil {
			t.Errorf("%c: %v", k, err)
		}
	}
	for _, k := range "aXz \x00\u00e9" {
		if err := p.Press(k); err != ErrKey {
			t.Errorf("%q: %v", k, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no serial":     {State: &MemState{}},
		"long serial":   {Serial: strings.Repeat("x", 33), State: &MemState{}},
		"long firmware": {Serial: "P", Firmware: strings.Repeat("9", 15), State: &MemState{}},
		"admin mode":    {Serial: "P", Mode: 4, State: &MemState{}},
		"broken state":  {Serial: "P", State: FileState{t.TempDir()}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
