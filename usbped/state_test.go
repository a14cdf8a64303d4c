package usbped

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"openped/internal/localsock"
)

// Every state has a word of its own, a text and, but for the one that is good, a
// remedy, all in one line.
func TestStates(t *testing.T) {
	words := map[string]bool{}
	for _, s := range States() {
		if words[s.String()] || strings.ContainsAny(s.String(), " A") || s.Text() == "" || strings.Contains(s.Text()+s.Remedy(), "\n") {
			t.Errorf("%q: %q; %q", s, s.Text(), s.Remedy())
		}
		if (s.Remedy() == "") != (s == StateReady) {
			t.Errorf("%q has remedy %q", s, s.Remedy())
		}
		words[s.String()] = true
	}
	if len(words) != int(StateReleased) {
		t.Error(words)
	}
	for _, s := range []State{0, 99} {
		if s.String() != s.Text() || s.Remedy() != "" {
			t.Errorf("%q: %q; %q", s, s.Text(), s.Remedy())
		}
	}
}

func TestStateOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want State
		hint string // a part of it
	}{
		{nil, StateReady, ""},
		{ErrNoDevice, StateNoPED, "plug"},
		{&AccessError{"/dev/bus/usb/001/002"}, StateNoAccess, UdevRule},
		{&AccessError{"/dev/bus/usb/001/002"}, StateNoAccess, UdevGroup},
		{fmt.Errorf("opening: %w", &HeldError{"qemu\n", 17}), StateHeld, "stop qemu? (process 17)"},
		{ErrInUse, StateHeld, "stop"},
		{fmt.Errorf("%w: %w", ErrMute, io.ErrUnexpectedEOF), StateMute, "unplug"},
		{&SeveralError{[]string{"A1", "B2"}}, StateSeveral, "-peddevice usb:A1 or -peddevice usb:B2"},
		{fmt.Errorf("%w: %w", ErrNotPED, ErrUnplugged), StateNotPED, "release"},
		{ErrNoUSB, StateNoUSB, "USB"},
		{ErrNotBuilt, StateNotBuilt, localsock.Example},
		{fmt.Errorf("%w: %w", ErrUnplugged, ErrCorrupt), StateUnplugged, "another cable"},
		{io.EOF, StateUnplugged, ""},
	} {
		if got := StateOf(c.err); got != c.want || !strings.Contains(Hint(c.err), c.hint) {
			t.Errorf("%v: %v, %q, want %v, %q", c.err, got, Hint(c.err), c.want, c.hint)
		}
	}
	for err, want := range map[error]string{
		&HeldError{"qemu\x1b", 17}:        "PED in use by qemu? (process 17)",
		&SeveralError{[]string{"A", "B"}}: "2 PEDs are plugged in",
		&AccessError{"/dev/x"}:            "no permission to open the PED at /dev/x",
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	if !errors.Is(&HeldError{}, ErrInUse) || !errors.Is(&SeveralError{}, ErrSeveral) || !errors.Is(&AccessError{}, ErrNoAccess) {
		t.Error("an error with more to say is not the error")
	}
}
