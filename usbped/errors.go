package usbped

import (
	"errors"
	"fmt"
	"strings"

	"openped/internal/localsock"
	"openped/protocol"
)

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
	ErrNoDevice error = &fault{"no PED found", "plug the PED in, or start softped and give its path with -peddevice " + localsock.Example}
	// ErrNoAccess means that this user may not open the PED.
	ErrNoAccess error = &fault{"no permission to open the PED", "run as the user or in the group that owns the PED's device or socket"}
	// ErrInUse means that another program has the PED.
	ErrInUse error = &fault{"PED in use by another program", "stop the other pedserver or pedclient that has the PED open"}
	// ErrNotPED means that what answers is no PED, or none of a version we know.
	ErrNotPED error = &fault{"device is not a PED", "check -peddevice, and compare the releases of pedserver and softped"}
	// ErrMute means that the PED takes what is sent to it, or not even that, and
	// says nothing.
	ErrMute error = &fault{"PED does not answer", "unplug the PED and plug it in again"}
	// ErrSeveral means that there is more than one PED to choose from.
	ErrSeveral error = &fault{"several PEDs are plugged in", "choose one by its serial number: -peddevice usb:SERIAL"}
	// ErrNoUSB means that this computer, or what this program sees of it, has no
	// USB.
	ErrNoUSB error = &fault{"this computer has no USB that this program can use", "plug the PED in to a computer with USB, or pass /dev/bus/usb to this container or virtual machine"}
	// ErrNotBuilt means that this program was built without USB.
	ErrNotBuilt error = &fault{"this program was built without USB", "use a release with USB, or a PED in software with -peddevice " + localsock.Example}
	// ErrClosed means that the device was closed on this side.
	ErrClosed error = &fault{"PED closed", "open the PED again"}
	// ErrCorrupt means that a frame was damaged, lost, doubled or out of order.
	ErrCorrupt error = &fault{"corrupt USB frame", "use another cable or USB port"}
	// ErrOverrun means that one side sent more than the other could take.
	ErrOverrun error = &fault{"too many USB frames at once", "restart pedserver and the PED"}
	// ErrTooLong means that a frame is empty or over the cap; nothing was sent.
	ErrTooLong error = &fault{"frame empty or too long", "compare the releases of both sides"}
	// ErrAborted means that a frame was given up with its dialogue, or that half
	// of one was sent and its dialogue must be given up.
	ErrAborted error = &fault{"frame given up", "cancel the dialogue and begin a new one"}
	// ErrNotOpen means that no host has opened the PED yet; nothing was sent.
	ErrNotOpen error = &fault{"no host has opened the PED", "start pedserver"}
)

// HeldError is ErrInUse when it is known who has the PED.
type HeldError struct {
	Process string
	PID     int
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("PED in use by %s (process %d)", text(e.Process, 64), e.PID)
}

// Unwrap returns ErrInUse.
func (e *HeldError) Unwrap() error { return ErrInUse }

// Hint returns the remedy.
func (e *HeldError) Hint() string {
	return fmt.Sprintf("stop %s (process %d), or have it give the PED up", text(e.Process, 64), e.PID)
}

// SeveralError is ErrSeveral with the serial numbers to choose from.
type SeveralError struct{ Serials []string }

func (e *SeveralError) Error() string {
	return fmt.Sprintf("%d PEDs are plugged in", len(e.Serials))
}

// Unwrap returns ErrSeveral.
func (e *SeveralError) Unwrap() error { return ErrSeveral }

// Hint returns the remedy.
func (e *SeveralError) Hint() string {
	var choices []string
	for _, s := range e.Serials {
		choices = append(choices, "-peddevice usb:"+string(text(s, protocol.MaxSerialText)))
	}
	return "choose one: " + strings.Join(choices, " or ")
}

// The rule that lets people use a PED with no more rights, and the group that
// it gives the PED to.
const (
	UdevRule  = "/etc/udev/rules.d/70-openped.rules"
	UdevGroup = "openped"
)

// AccessError is ErrNoAccess with the file that may not be opened.
type AccessError struct{ Path string }

func (e *AccessError) Error() string { return "no permission to open the PED at " + e.Path }

// Unwrap returns ErrNoAccess.
func (e *AccessError) Unwrap() error { return ErrNoAccess }

// Hint returns the remedy.
func (e *AccessError) Hint() string {
	return "install " + UdevRule + ", join the group " + UdevGroup + ", and plug the PED in again"
}

// ForeignPipeError is ErrNoAccess when somebody else's program listens where the PED
// is to be.
type ForeignPipeError struct {
	Path string
	User string // its SID
}

func (e *ForeignPipeError) Error() string {
	return fmt.Sprintf("%s is user %s's, who may not be the PED", localsock.Name(e.Path), e.User)
}

// Unwrap returns ErrNoAccess.
func (e *ForeignPipeError) Unwrap() error { return ErrNoAccess }

// Hint returns the remedy.
func (e *ForeignPipeError) Hint() string {
	return "if that is to be, name it pipe:" + PipeOfUser + "USER, or run softped as administrator or service"
}

// Hint returns the remedy for an error of this package in one line, or "".
func Hint(err error) string {
	if errors.Is(err, ErrUnplugged) && errors.Is(err, ErrCorrupt) {
		err = ErrCorrupt // nobody has pulled it out
	}
	var f interface {
		error
		Hint() string
	}
	if errors.As(err, &f) {
		return f.Hint()
	}
	return ""
}
