package functionfs

import (
	"errors"
	"fmt"
	"strings"
)

// Why a gadget could not be made.
var (
	ErrNotLinux   = errors.New("USB gadgets are Linux's")
	ErrNotRoot    = errors.New("no permission to make a USB gadget")
	ErrNoConfigFS = errors.New("the kernel offers no USB gadgets")
	ErrNoFunction = errors.New("the kernel offers no FunctionFS")
	ErrServed     = errors.New("another softped serves this controller")
)

// NoControllerError means that there is no such USB device controller.
type NoControllerError struct {
	Name    string
	Present []string // the names of those that are there
}

func (e *NoControllerError) Error() string {
	return fmt.Sprintf("there is no USB device controller %s", e.Name)
}

// Hint returns the remedy.
func (e *NoControllerError) Hint() string {
	if len(e.Present) == 0 {
		return "this computer has none: switch the board's USB port to device mode, or try with modprobe dummy_hcd"
	}
	return "give -gadget one of those present: " + strings.Join(e.Present, ", ")
}

// BusyError means that another gadget has the controller.
type BusyError struct {
	Controller string
	Gadget     string // its folder's name; may be empty
}

func (e *BusyError) Error() string {
	if e.Gadget == "" {
		return fmt.Sprintf("USB device controller %s is in use", e.Controller)
	}
	return fmt.Sprintf("USB device controller %s is in use by the gadget %s", e.Controller, e.Gadget)
}
