package usbped

import "errors"

// fault is an error of this package with its remedy.
type fault struct{ text, hint string }

func (f *fault) Error() string { return f.text }

// Hint returns the remedy in one line.
func (f *fault) Hint() string { return f.hint }

// The errors. Each has a remedy: see Hint.
var (
	// ErrUnplugged is in every error that means the PED is gone: cable pulled,
	// process ended, no answer, or a stream that cannot be trusted any more.
	ErrUnplugged error = &fault{"PED unplugged", "plug the PED in again (or start softped)"}
	// ErrNoDevice means that there is no PED where one was looked for.
	ErrNoDevice error = &fault{"no PED found", "plug the PED in, or start softped and give its path with -peddevice unix:PATH"}
	// ErrNoAccess means that this user may not open the PED.
	ErrNoAccess error = &fault{"no permission to open the PED", "run as the user or in the group that owns the PED's device or socket"}
	// ErrInUse means that another program has the PED.
	ErrInUse error = &fault{"PED in use by another program", "stop the other pedserver or pedclient that has the PED open"}
	// ErrNotPED means that what answers is no PED, or none of a version we know.
	ErrNotPED error = &fault{"device is not a PED", "check -peddevice, and compare the releases of pedserver and softped"}
	// ErrClosed means that the device was closed on this side.
	ErrClosed error = &fault{"PED closed", "open the PED again"}
	// ErrCorrupt means that a frame was damaged, lost, doubled or out of order.
	ErrCorrupt error = &fault{"corrupt USB frame", "use another cable or USB port"}
	// ErrOverrun means that one side sent more than the other could take.
	ErrOverrun error = &fault{"too many USB frames at once", "restart pedserver and the PED"}
	// ErrTooLong means that a frame is empty or over the cap; nothing was sent.
	ErrTooLong error = &fault{"frame empty or too long", "compare the releases of both sides"}
	// ErrNotOpen means that no host has opened the PED yet; nothing was sent.
	ErrNotOpen error = &fault{"no host has opened the PED", "start pedserver"}
)

// Hint returns the remedy for an error of this package in one line, or "".
func Hint(err error) string {
	var f *fault
	if errors.As(err, &f) {
		return f.hint
	}
	return ""
}
