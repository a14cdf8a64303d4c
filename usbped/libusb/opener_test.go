package libusb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openped/usbped"
)

var oneSpot = told{spots: []*spot{{bus: 1, address: 2, serial: "P1", node: "/dev/bus/usb/001/002"}}}

func TestDial(t *testing.T) {
	for name, h := range map[string]host{"told": oneSpot, "untold": untold{}} {
		synctest.Test(t, func(t *testing.T) {
			d := aPED("P1")
			f := &fake{devices: []*device{{desc: descriptors{bus: 1, address: 1}}, d}}
			p, err := newOpener(f, h, "").dial(t.Context())
			if err != nil {
				t.Fatal(name, err)
			}
			if len(d.halted) != 0 {
				t.Errorf("%s: endpoints still halted: %v", name, d.halted)
			}
			if n, err := p.Write([]byte("to the PED")); n != 10 || err != nil || string(<-d.out) != "to the PED" {
				t.Error(name, n, err)
			}
			go func() { d.in <- []byte("frame"); d.event <- []byte("event") }()
			b := make([]byte, readSize)
			if n, err := p.Read(b); err != nil || string(b[:n]) != "frame" {
				t.Error(name, n, err)
			}
			if n, err := p.ReadEvent(b); err != nil || string(b[:n]) != "event" {
				t.Error(name, n, err)
			}
			if err := p.Close(); err != nil {
				t.Error(name, err)
			}
			f.nothingOpen(t)
		})
	}
}

// TestWhichPED: which of the devices is opened, and what is said if none is.
func TestWhichPED(t *testing.T) {
	other := aPED("X")
	other.product = "Something else"
	two := aPED("P2")
	two.desc.address = 3
	twin := aPED("P1")
	twin.desc.address = 4
	ids := aPED("P9")
	ids.desc.vendor = 0x1234
	for name, c := range map[string]struct {
		devices []*device
		serial  string
		want    string // serial, or else
		err     error
		says    string
	}{
		"none":            {nil, "", "", usbped.ErrNoDevice, ""},
		"one":             {[]*device{aPED("P1")}, "", "P1", nil, ""},
		"named":           {[]*device{aPED("P1"), two}, "P2", "P2", nil, ""},
		"several":         {[]*device{two, aPED("P1")}, "", "", usbped.ErrSeveral, "usb:P1 or -peddevice usb:P2"},
		"twins":           {[]*device{aPED("P1"), twin}, "P1", "", usbped.ErrSeveral, "usb:P1"},
		"another":         {[]*device{aPED("P1")}, "P7", "", usbped.ErrNoDevice, "no PED P7 found; plugged in: P1"},
		"other product":   {[]*device{other}, "", "", usbped.ErrNoDevice, ""},
		"beside others":   {[]*device{other, aPED("P1")}, "", "P1", nil, ""},
		"other ids":       {[]*device{ids}, "", "", usbped.ErrNoDevice, ""},
		"unprintable one": {[]*device{aPED("\x1b[2J")}, "", "\x1b[2J", nil, ""},
		"unprintable":     {[]*device{aPED("\x1b[2J" + strings.Repeat("x", 99)), two}, "", "", usbped.ErrSeveral, "usb:P2"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{devices: c.devices}
				o := newOpener(f, untold{}, c.serial)
				o.ids = wanted{true, 0x1209, 1}
				p, err := o.dial(t.Context())
				if !errors.Is(err, c.err) || c.err != nil && !strings.Contains(err.Error()+usbped.Hint(err), c.says) {
					t.Fatalf("%v; %s", err, usbped.Hint(err))
				}
				if err != nil && strings.ContainsRune(err.Error()+usbped.Hint(err), 0x1b) {
					t.Errorf("%q", err)
				}
				if err == nil {
					if got := p.(*port).s.handles[0].(*fakeHandle).serial; got != c.want {
						t.Errorf("opened %s", got)
					}
					p.Close()
				}
				f.nothingOpen(t)
			})
		})
	}
}

// TestFailures: each step of an opening fails in each way.
func TestFailures(t *testing.T) {
	noUSB := fmt.Errorf("%w: libusb: not found [code -5]", usbped.ErrNoUSB)
	for name, c := range map[string]struct {
		call string
		fail error
		host host
		want error
		says string
	}{
		"no USB":              {"start", noUSB, oneSpot, usbped.ErrNoUSB, ""},
		"no access":           {"open", failAccess, oneSpot, usbped.ErrNoAccess, "/dev/bus/usb/001/002"},
		"no access, remedy":   {"open", failAccess, oneSpot, usbped.ErrNoAccess, usbped.UdevRule},
		"no driver":           {"open", failNotSupported, untold{}, usbped.ErrNoAccess, "WinUSB"},
		"gone before open":    {"open", failNoDevice, oneSpot, usbped.ErrUnplugged, ""},
		"gone while open":     {"open", failIO, oneSpot, usbped.ErrUnplugged, ""},
		"names gone":          {"names", failNoDevice, untold{}, usbped.ErrUnplugged, ""},
		"names halted":        {"names", failStall, untold{}, usbped.ErrMute, ""},
		"names late":          {"names", failTimeout, untold{}, usbped.ErrMute, ""},
		"held by somebody":    {"claim", failBusy, oneSpot, usbped.ErrInUse, ""},
		"held by a program":   {"claim", failBusy, told{spots: oneSpot.spots, name: "softpedd\x1b", pid: 812}, usbped.ErrInUse, "softpedd? (process 812)"},
		"claim gone":          {"claim", failNoDevice, oneSpot, usbped.ErrUnplugged, ""},
		"claim odd":           {"claim", failOther, oneSpot, usbped.ErrNotPED, ""},
		"transfers odd":       {"transfers", failOther, oneSpot, usbped.ErrNotPED, ""},
		"halt gone":           {"clear halt", failNotFound, oneSpot, usbped.ErrUnplugged, ""},
		"halt late":           {"clear halt", failTimeout, oneSpot, usbped.ErrMute, "unplug"},
		"closing fails, held": {"claim", failBusy, oneSpot, usbped.ErrInUse, ""},
		"missing node":        {"", nil, told{spots: oneSpot.spots, access: usbped.ErrNoUSB}, usbped.ErrNoUSB, ""},
		"may not":             {"", nil, told{spots: oneSpot.spots, access: &usbped.AccessError{Path: "/x"}}, usbped.ErrNoAccess, "/x"},
		"kernel says nothing": {"", nil, told{err: usbped.ErrNoUSB}, usbped.ErrNoUSB, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{devices: []*device{aPED("P1")}, do: func(call string) error {
					if call == c.call {
						return c.fail
					}
					return nil
				}}
				_, err := newOpener(f, c.host, "").Open(t.Context())
				if !errors.Is(err, c.want) || !strings.Contains(err.Error()+usbped.Hint(err), c.says) {
					t.Errorf("%v; %s", err, usbped.Hint(err))
				}
				if err != nil && strings.ContainsRune(err.Error()+usbped.Hint(err), 0x1b) {
					t.Errorf("%q", err)
				}
				f.nothingOpen(t)
			})
		})
	}
}

// TestGoneMeanwhile: a PED that the system still tells of is not on the bus any
// more, or is something else by now.
func TestGoneMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		if _, err := newOpener(f, oneSpot, "").dial(t.Context()); !errors.Is(err, usbped.ErrUnplugged) {
			t.Error(err)
		}
		d := aPED("P1")
		d.desc.configs[0].interfaces[0].settings[0].endpoints = nil
		f.devices = []*device{d}
		if _, err := newOpener(f, oneSpot, "").dial(t.Context()); !errors.Is(err, usbped.ErrNotPED) {
			t.Error(err)
		}
		f.nothingOpen(t)
	})
}

// TestHangs: each call hangs. The caller is free in time, what hangs cleans up
// when it comes back, and after three of them there is no fourth.
func TestHangs(t *testing.T) {
	for _, call := range []string{"start", "open", "names", "claim", "clear halt"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				f := &fake{devices: []*device{aPED("P1")}, do: func(c string) error {
					if c == call {
						<-free
					}
					return nil
				}}
				o := newOpener(f, untold{}, "")
				for i := 1; i <= maxHung; i++ {
					begin := time.Now()
					_, err := o.Open(t.Context())
					if !errors.Is(err, usbped.ErrMute) || !strings.Contains(err.Error(), fmt.Sprintf("hang: %d)", i)) || !strings.Contains(err.Error(), call) {
						t.Fatal(err)
					}
					if d := time.Since(begin); d > lookTime {
						t.Errorf("took %v", d)
					}
				}
				begin := time.Now()
				if _, err := o.Open(t.Context()); !errors.Is(err, usbped.ErrMute) || time.Since(begin) != 0 {
					t.Error(err, time.Since(begin))
				}
				close(free)
				synctest.Wait()
				f.nothingOpen(t)
				p, err := o.dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				p.Close()
				f.nothingOpen(t)
			})
		})
	}
}

// TestImpatient: an opening ends with its context, wherever it is.
func TestImpatient(t *testing.T) {
	for _, call := range []string{"start", "open", "names", "claim", "clear halt"} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{devices: []*device{aPED("P1")}, do: func(c string) error {
				if c == call {
					time.Sleep(time.Second)
				}
				return nil
			}}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			begin := time.Now()
			if _, err := newOpener(f, untold{}, "").Open(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 200*time.Millisecond {
				t.Error(call, err, time.Since(begin))
			}
			time.Sleep(5 * time.Second)
			f.nothingOpen(t)
		})
	}
}

// TestPanics: what gousb makes of impossible descriptors is an error.
func TestPanics(t *testing.T) {
	for _, call := range []string{"start", "open", "names", "claim", "clear halt", "transfers"} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{devices: []*device{aPED("P1")}, do: func(c string) error {
				if c == call {
					panic("index out of range")
				}
				return nil
			}}
			if _, err := newOpener(f, untold{}, "").Open(t.Context()); !errors.Is(err, usbped.ErrNotPED) {
				t.Error(call, err)
			}
			f.nothingOpen(t)
		})
	}
}

// TestReset: the port is reset while nobody has the PED, and not if another
// program has it.
func TestReset(t *testing.T) {
	for name, c := range map[string]struct {
		call   string
		fail   error
		resets int
		want   error
	}{
		"done":                  {"", nil, 1, nil},
		"comes back as another": {"reset", failNotFound, 1, nil},
		"answers nothing":       {"clear halt", failTimeout, 1, nil}, // is not asked
		"gone":                  {"reset", failNoDevice, 1, usbped.ErrUnplugged},
		"held":                  {"claim", failBusy, 0, usbped.ErrInUse},
	} {
		synctest.Test(t, func(t *testing.T) {
			resets := 0
			var f *fake
			f = &fake{devices: []*device{aPED("P1")}, do: func(call string) error {
				if call == "reset" {
					resets++
					if f.open["claims"] != 0 {
						t.Error("reset while it is claimed")
					}
				}
				if call == c.call {
					return c.fail
				}
				return nil
			}}
			if err := newOpener(f, oneSpot, "").Reset(t.Context()); !errors.Is(err, c.want) || resets != c.resets {
				t.Errorf("%s: %v, %d resets", name, err, resets)
			}
			f.nothingOpen(t)
		})
	}
}

func TestSerials(t *testing.T) {
	h := told{spots: []*spot{{serial: "P2"}, {serial: "P\x1b"}, {serial: "P1"}}}
	if s, ok := newOpener(nil, h, "P2").Serials(); !ok || strings.Join(s, " ") != "P1 P2 P?" {
		t.Errorf("%q, %v", s, ok)
	}
	if _, ok := newOpener(nil, untold{}, "").Serials(); ok {
		t.Error("told by a system that does not tell")
	}
	if s, ok := newOpener(nil, told{err: usbped.ErrNoUSB}, "").Serials(); ok || len(s) != 0 {
		t.Errorf("%q, %v", s, ok)
	}
}

func TestNotBuilt(t *testing.T) {
	o := newOpener(nil, oneSpot, "")
	o.built = false
	if _, err := o.Open(t.Context()); err != usbped.ErrNotBuilt {
		t.Error(err)
	}
	if err := o.Reset(t.Context()); err != usbped.ErrNotBuilt {
		t.Error(err)
	}
	if _, ok := o.Serials(); ok {
		t.Error("serials")
	}
}

func TestNames(t *testing.T) {
	for want, o := range map[string]usbped.Opener{"usb": Open("", ""), "usb:P1": Open("1209:0001", "P1")} {
		if o.String() != want {
			t.Errorf("%s, want %s", o, want)
		}
	}
	if got := Open("1209:00aF", "").(*opener).ids; got != (wanted{true, 0x1209, 0xaf}) {
		t.Errorf("%+v", got)
	}
	if got := Open("", "").(*opener).ids; got.only {
		t.Errorf("%+v", got)
	}
}
