package usbped

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// scriptedOpener is an Opener that goes through a script.
type scriptedOpener struct {
	opens  []error // of Open, one after the other; the last stays
	resets int
	fail   error // of Reset
}

func (o *scriptedOpener) String() string { return "scripted" }

func (o *scriptedOpener) Open(context.Context) (Device, error) {
	err := o.opens[0]
	if len(o.opens) > 1 {
		o.opens = o.opens[1:]
	}
	if err != nil {
		return nil, err
	}
	return new(Host), nil
}

func (o *scriptedOpener) Reset(context.Context) error { o.resets++; return o.fail }

// noReset hides Reset.
type noReset struct{ Opener }

func TestOpenReset(t *testing.T) {
	gone := errors.New("gone")
	for name, c := range map[string]struct {
		opens  []error
		fail   error
		bare   bool
		resets int
		want   error
	}{
		"well":               {opens: []error{nil}},
		"mute, then well":    {opens: []error{ErrMute, nil}, resets: 1},
		"away after a reset": {opens: []error{ErrMute, ErrNoDevice, ErrUnplugged, nil}, resets: 1},
		"away for ever":      {opens: []error{ErrMute, ErrNoDevice}, resets: 1, want: ErrNoDevice},
		"mute for ever":      {opens: []error{ErrMute}, resets: 1, want: ErrMute},
		"no reset":           {opens: []error{ErrMute}, fail: gone, resets: 1, want: gone},
		"cannot be reset":    {opens: []error{ErrMute, nil}, bare: true, want: ErrMute},
		"held":               {opens: []error{ErrInUse, nil}, want: ErrInUse},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &scriptedOpener{opens: c.opens, fail: c.fail}
				var opener Opener = o
				if c.bare {
					opener = noReset{o}
				}
				begin := time.Now()
				dev, err := OpenReset(t.Context(), opener)
				if !errors.Is(err, c.want) || (dev != nil) != (err == nil) || o.resets != c.resets {
					t.Errorf("%v, %v, %d resets", dev, err, o.resets)
				}
				if c.want == gone && StateOf(err) != StateMute {
					t.Errorf("state %v", StateOf(err))
				}
				if d := time.Since(begin); d > resetAway+resetLook {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}
