package libusb

import (
	"context"
	"regexp"
)

// stack is libusb, as far as it is needed here.
type stack interface {
	// start begins anew. What it sees is plugged in now.
	start() (bus, error)
}

// bus is libusb, started.
type bus interface {
	// open opens the devices that want takes. With an error there may be some too.
	open(want func(*descriptors) bool) ([]handle, error)
	// close ends it. All devices are closed by then.
	close() error
}

// handle is an opened device.
type handle interface {
	about() *descriptors
	// names returns the product and the serial number.
	names() (product, serial string, err error)
	// claim takes the interface for this program alone.
	claim(place) error
	// clearHalt makes an endpoint take and give transfers again, at both ends.
	clearHalt(address uint8) error
	// transfers returns the ways to and from the claimed interface.
	transfers(place) (transfers, error)
	// release undoes claim. Nothing is under way by then.
	release()
	// reset resets the port. Nothing is claimed by then.
	reset() error
	close()
}

// transfers move bytes, each of them for one goroutine. read and event return
// what one transfer brought; from the first call on some are always waiting. A
// context that ends is an error at once: it does not wait for libusb. What is left
// under way is taken back by end, which does, and comes last.
type transfers struct {
	read, event, write func(context.Context, []byte) (int, error)
	end                func()
}

// failure is what libusb says when something does not work.
type failure uint8

const (
	failOther failure = iota
	failIO
	failAccess
	failNoDevice
	failNotFound
	failBusy
	failTimeout
	failOverflow
	failStall
	failNotSupported
	failCancelled
)

var failures = [...]string{
	failOther: "libusb: failed", failIO: "libusb: transfer failed", failAccess: "libusb: no access",
	failNoDevice: "libusb: no device", failNotFound: "libusb: not found", failBusy: "libusb: in use",
	failTimeout: "libusb: timed out", failOverflow: "libusb: more data than announced", failStall: "libusb: endpoint halted",
	failNotSupported: "libusb: not supported", failCancelled: "libusb: cancelled",
}

func (f failure) Error() string { return failures[f] }

// byCode are libusb's own numbers.
var byCode = map[string]failure{
	"-1": failIO, "-3": failAccess, "-4": failNoDevice, "-5": failNotFound, "-6": failBusy, "-7": failTimeout,
	"-8": failOverflow, "-9": failStall, "-12": failNotSupported,
}

// gousb keeps libusb's number in the text only, of most errors.
var code = regexp.MustCompile(`\[code (-[0-9]+)\]`)

// failureIn finds out what an error of gousb says.
func failureIn(text string) failure {
	if m := code.FindStringSubmatch(text); m != nil {
		return byCode[m[1]] // failOther for others
	}
	return failOther
}
