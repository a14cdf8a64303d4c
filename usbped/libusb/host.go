package libusb

import "context"

// host is what this system tells of USB without libusb.
type host interface {
	// look returns the PEDs that are plugged in, or false if the system does not
	// tell.
	look(wanted) (spots []*spot, known bool, err error)
	// mayOpen returns an error if this user may not open the PED.
	mayOpen(context.Context, *spot) error
	// holder returns who has the PED open, or process 0.
	holder(*spot) (name string, pid int)
}

// spot is where a PED is plugged in.
type spot struct {
	bus, address int
	serial       string // as the PED says it
	node         string // its file
}
